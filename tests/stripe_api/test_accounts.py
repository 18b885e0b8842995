"""Keys from the environment: what is read, and what refuses to start."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from django.conf import settings

from kopeck.stripe_api.accounts import (
    SANDBOX_PUBLISHABLE_KEY,
    SANDBOX_SECRET_KEY,
    Account,
    ConfigurationError,
    for_currency,
    read_accounts,
)


def accounts(
    env: Mapping[str, str], *, sandbox: bool = False, debug: bool = False, base: str = "", js: str = ""
) -> dict[str, Account]:
    def read(name: str) -> str:
        return env.get(name) or env.get(name.lower(), "")

    return read_accounts(env, read, sandbox=sandbox, debug=debug, api_base=base, js_url=js)


PAIR = {"STRIPE_SECRET_KEY": "sk_test_abc", "STRIPE_PUBLISHABLE_KEY": "pk_test_abc"}
LIVE = {"STRIPE_SECRET_KEY": "sk_live_abc", "STRIPE_PUBLISHABLE_KEY": "pk_live_abc"}
EUR = {"STRIPE_SECRET_KEY_EUR": "rk_test_e", "STRIPE_PUBLISHABLE_KEY_EUR": "pk_test_e"}


def test_no_keys_and_the_sandbox_are_its_fixed_account() -> None:
    (account,) = accounts({"STRIPE_WEBHOOK_SECRET": "whsec_a"}, sandbox=True).values()
    assert (account.name, account.secret_key, account.publishable_key) == (
        "default", SANDBOX_SECRET_KEY, SANDBOX_PUBLISHABLE_KEY,
    )  # fmt: skip
    assert account.webhook_secrets == ("whsec_a",)


def test_the_sandbox_has_an_account_for_each_currency_with_a_webhook_secret() -> None:
    env = {"STRIPE_WEBHOOK_SECRET": "whsec_a", "STRIPE_WEBHOOK_SECRET_EUR": "whsec_b"}
    both = accounts(env, sandbox=True)
    assert {account.name: account.secret_key for account in both.values()} == {
        "default": SANDBOX_SECRET_KEY, "eur": f"{SANDBOX_SECRET_KEY}eur",
    }  # fmt: skip
    assert both["eur"].publishable_key == f"{SANDBOX_PUBLISHABLE_KEY}eur"
    assert [account.webhook_secrets for account in both.values()] == [("whsec_a",), ("whsec_b",)]


def test_the_sandbox_s_keys_are_as_long_as_stripe_s() -> None:
    for key in (SANDBOX_SECRET_KEY, SANDBOX_PUBLISHABLE_KEY):
        assert re.fullmatch(r"[sp]k_test_[A-Za-z0-9]{24,}", key)


def test_the_composed_sandbox_tells_the_accounts_of_these_keys() -> None:
    composed = Path(settings.BASE_DIR, "compose.override.yaml").read_text(encoding="utf-8")
    told = re.findall(r'--webhook "(\w+)@', composed)
    assert [f"sk_test_{tail}" for tail in told] == [SANDBOX_SECRET_KEY, f"{SANDBOX_SECRET_KEY}eur"]


def test_restricted_keys_and_lower_case_names_are_fine() -> None:
    lower = {"stripe_secret_key_gbp": "rk_test_g", "stripe_publishable_key_gbp": "pk_test_g"}
    assert set(accounts({**PAIR, **EUR, **lower})) == {"default", "eur", "gbp"}


def test_a_key_from_a_file_is_known_by_its_name() -> None:
    """As the settings read it: NAME_FILE is set, and `read` opens the file."""
    env = {"STRIPE_SECRET_KEY_EUR_FILE": "/run/secrets/a", "STRIPE_PUBLISHABLE_KEY_EUR": "pk_test_e"}
    held = {"STRIPE_SECRET_KEY_EUR": "sk_test_e", "STRIPE_PUBLISHABLE_KEY_EUR": "pk_test_e"}
    found = read_accounts(env, lambda name: held.get(name, ""), sandbox=False, debug=False, api_base="")
    assert found["eur"].secret_key == "sk_test_e"


def test_empty_variables_are_not_set() -> None:
    empty = {"STRIPE_SECRET_KEY_EUR": "", "STRIPE_WEBHOOK_SECRET_EUR": "", "STRIPE_SECRET_KEY_XYZ": ""}
    assert set(accounts({**PAIR, **empty})) == {"default"}


def test_live_keys_work_with_stripes_own_addresses() -> None:
    """pain 11"""
    live = accounts(LIVE, base="https://api.stripe.com", js="https://js.stripe.com/v3/")
    assert live["default"].livemode


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
        ({**PAIR, "STRIPE_WEBHOOK_SECRET_EURO": "whsec_abc"}, {}, "EURO is not a currency"),
        ({**PAIR, "STRIPE_PUBLISHABLE_KEY_EU": "pk_test_abc"}, {}, "EU is not a currency"),
        ({**PAIR, "STRIPE_SECRET_KEY_TEST": "sk_test_abc"}, {}, "TEST is not a currency"),
        ({**PAIR, "STRIPE_SECRET_KEY_eur": "sk_test_abc"}, {}, "in capitals: STRIPE_SECRET_KEY_EUR"),
        ({**PAIR, "STRIPE_SECRET_KEY_FILE": "/run/abc"}, {}, "KEY and STRIPE_SECRET_KEY_FILE are both set"),
        ({**PAIR, **EUR, "STRIPE_SECRET_KEY_EUR": "sk_test_abc"}, {}, "KEY and STRIPE_SECRET_KEY_EUR hold"),
        (
            {**PAIR, **EUR, "STRIPE_PUBLISHABLE_KEY_EUR": "pk_test_abc"},
            {},
            "PUBLISHABLE_KEY_EUR hold the same",
        ),
        (
            {
                **PAIR,
                **EUR,
                "STRIPE_WEBHOOK_SECRET": "whsec_abc",
                "STRIPE_WEBHOOK_SECRET_EUR": "whsec_b,whsec_abc",
            },
            {},
            "STRIPE_WEBHOOK_SECRET and STRIPE_WEBHOOK_SECRET_EUR hold the same value",
        ),
        (
            {"STRIPE_WEBHOOK_SECRET": "whsec_abc", "STRIPE_WEBHOOK_SECRET_EUR": "whsec_abc"},
            {"sandbox": True},
            "hold the same value",
        ),
        ({**PAIR, "STRIPE_WEBHOOK_SECRET_EUR": "whsec_abc"}, {}, "but STRIPE_SECRET_KEY_EUR and"),
        ({**EUR, "STRIPE_WEBHOOK_SECRET": "whsec_abc"}, {}, "but STRIPE_SECRET_KEY and"),
        ({**PAIR, "STRIPE_WEBHOOK_SECRET": "abc"}, {}, "start with whsec_"),
        ({**PAIR, "STRIPE_WEBHOOK_SECRET": "whsec_..."}, {}, "start with whsec_"),
        ({**PAIR, "STRIPE_WEBHOOK_SECRET": "whsec_a;whsec_abc"}, {}, "start with whsec_"),
        ({**PAIR, "STRIPE_WEBHOOK_SECRET": "sk_test_abc"}, {}, "start with whsec_"),
        ({**PAIR, "STRIPE_WEBHOOK_SECRET": "'whsec_abc'"}, {}, "has spaces or quotes"),
        ({**PAIR, "STRIPE_SECRET_KEY": '"sk_test_abc"'}, {}, "STRIPE_SECRET_KEY has spaces or quotes"),
        ({**PAIR, "STRIPE_PUBLISHABLE_KEY": " pk_test_abc"}, {}, "has spaces or quotes"),
        ({**PAIR, "STRIPE_SECRET_KEY": "sk_test_abc\n"}, {}, "has spaces or quotes"),
        ({**PAIR, "STRIPE_SECRET_KEY": "sk_test_..."}, {}, "no key of the right kind"),
        ({**PAIR, "STRIPE_SECRET_KEY": "sk_org_live_abc"}, {}, "no key of the right kind"),
        ({**PAIR, "STRIPE_PUBLISHABLE_KEY": "rk_live_abc"}, {}, "every visitor would be given a secret one"),
        (
            {"STRIPE_SECRET_KEY": SANDBOX_SECRET_KEY, "STRIPE_PUBLISHABLE_KEY": SANDBOX_PUBLISHABLE_KEY},
            {},
            "the sandbox's key",
        ),
        ({}, {"sandbox": True, "base": "https://api.stripe.com"}, "is Stripe itself"),
        (LIVE, {"base": "https://api.stripe.com.example"}, "unset STRIPE_API_BASE"),
        (LIVE, {"js": "https://js.stripe.com.example/v3/"}, "unset STRIPE_JS_URL"),
    ],
)
def test_a_mix_that_could_hurt_is_refused_in_one_sentence(
    env: dict[str, str], options: dict[str, object], said: str
) -> None:
    """pains 10 and 11"""
    with pytest.raises(ConfigurationError, match=said) as refusal:
        accounts(env, **options)  # type: ignore[arg-type]
    assert "\n" not in str(refusal.value)
    assert "abc" not in str(refusal.value)
