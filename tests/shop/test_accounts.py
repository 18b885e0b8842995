"""Keys from the environment: what is read, and what refuses to start."""

from collections.abc import Mapping

import pytest

from kopeck.payments.accounts import Account, ConfigurationError, for_currency, read_accounts


def accounts(
    env: Mapping[str, str], *, sandbox: bool = False, debug: bool = False, base: str = ""
) -> dict[str, Account]:
    return read_accounts(env, lambda name: env.get(name, ""), sandbox=sandbox, debug=debug, api_base=base)


PAIR = {"STRIPE_SECRET_KEY": "sk_test_abc", "STRIPE_PUBLISHABLE_KEY": "pk_test_abc"}
LIVE = {"STRIPE_SECRET_KEY": "sk_live_abc", "STRIPE_PUBLISHABLE_KEY": "pk_live_abc"}
EUR = {"STRIPE_SECRET_KEY_EUR": "rk_test_e", "STRIPE_PUBLISHABLE_KEY_EUR": "pk_test_e"}


def test_no_keys_and_the_sandbox_are_its_fixed_account() -> None:
    (account,) = accounts({"STRIPE_WEBHOOK_SECRET": "whsec_a"}, sandbox=True).values()
    assert (account.name, account.secret_key, account.publishable_key) == (
        "default", "sk_test_kopeck", "pk_test_kopeck",
    )  # fmt: skip
    assert account.webhook_secrets == ("whsec_a",)


def test_a_currency_is_paid_into_its_own_account_and_else_into_the_default_one() -> None:
    both = accounts({**PAIR, **EUR})
    for code, name in (("eur", "eur"), ("usd", "default"), ("jpy", "default")):
        account = for_currency(both, code)
        assert account is not None
        assert account.name == name


def test_a_currency_without_an_account_has_none() -> None:
    assert for_currency(accounts(EUR), "usd") is None


def test_two_webhook_secrets_are_taken_while_one_is_rolled_out() -> None:
    account = accounts({**PAIR, "STRIPE_WEBHOOK_SECRET": "whsec_new, whsec_old"})["default"]
    assert account.webhook_secrets == ("whsec_new", "whsec_old")


def test_secrets_are_not_shown_when_an_account_is_printed() -> None:
    account = accounts({**PAIR, "STRIPE_WEBHOOK_SECRET": "whsec_hidden"})["default"]
    assert "sk_test" not in repr(account)
    assert "whsec" not in repr(account)


@pytest.mark.parametrize(
    ("env", "options", "said"),
    [
        ({}, {}, "No Stripe keys are set"),
        ({"STRIPE_SECRET_KEY": "sk_test_a"}, {}, "STRIPE_PUBLISHABLE_KEY is missing"),
        ({"STRIPE_PUBLISHABLE_KEY": "pk_test_a"}, {}, "STRIPE_SECRET_KEY is missing"),
        ({**PAIR, "STRIPE_PUBLISHABLE_KEY": "pk_live_a"}, {}, "differ in mode"),
        ({**PAIR, "STRIPE_SECRET_KEY": "pk_test_abc"}, {}, "no key of the right kind"),
        ({**PAIR, "STRIPE_PUBLISHABLE_KEY": "sk_test_abc"}, {}, "no key of the right kind"),
        (LIVE, {"debug": True}, "must not be used with DEBUG"),
        (LIVE, {"sandbox": True}, "must not be used with STRIPE_SANDBOX"),
        (LIVE, {"base": "http://127.0.0.1:8420"}, "unset STRIPE_API_BASE"),
        ({**LIVE, **EUR}, {}, "use one mode for all"),
        (
            {"STRIPE_SECRET_KEY_XYZ": "sk_test_a", "STRIPE_PUBLISHABLE_KEY_XYZ": "pk_test_a"},
            {},
            "not a currency",
        ),
    ],
)
def test_a_mix_that_could_hurt_is_refused_in_one_sentence(
    env: dict[str, str], options: dict[str, object], said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said) as refusal:
        accounts(env, **options)  # type: ignore[arg-type]
    assert "\n" not in str(refusal.value)
    assert "abc" not in str(refusal.value)
