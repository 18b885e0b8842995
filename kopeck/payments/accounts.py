"""Stripe accounts from the environment: a default keypair, and keypairs by currency.

`STRIPE_SECRET_KEY`, `STRIPE_PUBLISHABLE_KEY`, `STRIPE_WEBHOOK_SECRET` are the default account; the same
names with a currency's suffix (`STRIPE_SECRET_KEY_EUR`) are the account of that currency. Every mix that
could charge the wrong card or the wrong account is refused here, before the shop starts. Pure: no Django.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from kopeck.money import CURRENCIES

SANDBOX_SECRET_KEY = "sk_test_kopeck"  # noqa: S105 - the sandbox's fixed key: it opens nothing but play money
SANDBOX_PUBLISHABLE_KEY = "pk_test_kopeck"
SANDBOX_API_BASE = "http://127.0.0.1:8420"

_SECRET_KEY = re.compile(r"(?:sk|rk)_(test|live)_\w+")
_PUBLISHABLE_KEY = re.compile(r"pk_(test|live)_\w+")


class ConfigurationError(Exception):
    """The settings would hurt somebody; `str()` is one sentence that says what to change."""


@dataclass(frozen=True, slots=True)
class Account:
    """One Stripe keypair. `name` is "default" or a currency code; `webhook_secrets` are tried in turn."""

    name: str
    secret_key: str = field(repr=False)
    publishable_key: str
    webhook_secrets: tuple[str, ...] = field(repr=False)
    livemode: bool


def read_accounts(
    names: Mapping[str, str], read: Callable[[str], str], *, sandbox: bool, debug: bool, api_base: str
) -> dict[str, Account]:
    """The accounts by name. `names` lists what is set, `read(name)` gives a value or "".

    Raises ConfigurationError for no keys at all, half a pair, modes that differ, a live key with DEBUG
    or with another address than Stripe's.
    """
    suffixes = sorted(
        {m[1] or "" for name in names if (m := re.fullmatch(r"STRIPE_SECRET_KEY(?:_([A-Z]{3}))?", name))}
        | {
            m[1] or ""
            for name in names
            if (m := re.fullmatch(r"STRIPE_PUBLISHABLE_KEY(?:_([A-Z]{3}))?", name))
        }
    )
    accounts = [account for suffix in suffixes if (account := _account(suffix, read))]
    if not accounts:
        if not sandbox:
            raise ConfigurationError(
                "No Stripe keys are set: give STRIPE_SECRET_KEY and STRIPE_PUBLISHABLE_KEY, "
                "or STRIPE_SANDBOX=1 to play with the local sandbox."
            )
        secrets = _secrets(read("STRIPE_WEBHOOK_SECRET"))
        accounts = [Account("default", SANDBOX_SECRET_KEY, SANDBOX_PUBLISHABLE_KEY, secrets, livemode=False)]
    for account in accounts:
        _refuse_dangerous_mixes(account, sandbox=sandbox, debug=debug, api_base=api_base)
    if len({account.livemode for account in accounts}) > 1:
        raise ConfigurationError(
            "Some Stripe accounts have live keys and some test keys: use one mode for all."
        )
    return {account.name: account for account in accounts}


def _account(suffix: str, read: Callable[[str], str]) -> Account | None:
    tail = f"_{suffix}" if suffix else ""
    secret, publishable = read(f"STRIPE_SECRET_KEY{tail}"), read(f"STRIPE_PUBLISHABLE_KEY{tail}")
    if not secret and not publishable:
        return None
    if suffix and suffix.lower() not in CURRENCIES:
        raise ConfigurationError(f"STRIPE_SECRET_KEY{tail}: {suffix} is not a currency that Stripe takes.")
    for name, value, pattern, example in (
        (f"STRIPE_SECRET_KEY{tail}", secret, _SECRET_KEY, "sk_test_, sk_live_, rk_test_ or rk_live_"),
        (f"STRIPE_PUBLISHABLE_KEY{tail}", publishable, _PUBLISHABLE_KEY, "pk_test_ or pk_live_"),
    ):
        if not value:
            raise ConfigurationError(f"{name} is missing: a Stripe account needs both keys of its pair.")
        if not pattern.fullmatch(value):
            raise ConfigurationError(f"{name} is no key of the right kind: it starts with {example}.")
    livemode = "_live_" in secret
    if livemode != ("_live_" in publishable):
        raise ConfigurationError(
            f"STRIPE_SECRET_KEY{tail} and STRIPE_PUBLISHABLE_KEY{tail} differ in mode (live, test)."
        )
    secrets = _secrets(read(f"STRIPE_WEBHOOK_SECRET{tail}"))
    return Account(suffix.lower() or "default", secret, publishable, secrets, livemode)


def _secrets(value: str) -> tuple[str, ...]:
    """One webhook secret, or two with a comma between them while the old one is rolled out."""
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _refuse_dangerous_mixes(account: Account, *, sandbox: bool, debug: bool, api_base: str) -> None:
    if not account.livemode:
        return
    if debug:
        raise ConfigurationError(f"The live key of account {account.name} must not be used with DEBUG on.")
    if sandbox:
        raise ConfigurationError(
            f"The live key of account {account.name} must not be used with STRIPE_SANDBOX."
        )
    if api_base and api_base != "https://api.stripe.com":
        raise ConfigurationError(
            f"The live key of account {account.name} would be sent to {api_base}: unset STRIPE_API_BASE."
        )


def for_currency(accounts: Mapping[str, Account], currency: str) -> Account | None:
    """The account that takes this currency: its own, else the default one; None if there is neither."""
    return accounts.get(currency) or accounts.get("default")
