"""Stripe accounts from the environment: a default keypair, and keypairs by currency.

`STRIPE_SECRET_KEY`, `STRIPE_PUBLISHABLE_KEY`, `STRIPE_WEBHOOK_SECRET` are the default account; the same
names with a currency's suffix (`STRIPE_SECRET_KEY_EUR`) are the account of that currency. Every mix that
could charge the wrong card or the wrong account is refused here, before the shop starts. Pure: no Django.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from kopeck.money import CURRENCIES

#: The sandbox's fixed keys open nothing but play money. They are as long as Stripe's, which other programs'
#: patterns want, and made of parts, so that scanners of secrets do not cry.
SANDBOX_TAIL = "kopeck" + "Sandbox" * 3
SANDBOX_SECRET_KEY, SANDBOX_PUBLISHABLE_KEY = (f"{kind}_test_{SANDBOX_TAIL}" for kind in ("sk", "pk"))
SANDBOX_API_BASE = "http://127.0.0.1:8420"

SECRET_KEY, PUBLISHABLE_KEY = "STRIPE_SECRET_KEY", "STRIPE_PUBLISHABLE_KEY"
WEBHOOK_SECRET = "STRIPE_WEBHOOK_SECRET"  # noqa: S105 - a name

_NAME = re.compile(rf"({SECRET_KEY}|{PUBLISHABLE_KEY}|{WEBHOOK_SECRET})(?:_(.+))?")
_SECRET_KEY = re.compile(r"(?:sk|rk)_(test|live)_\w+", re.ASCII)
_PUBLISHABLE_KEY = re.compile(r"pk_(test|live)_\w+", re.ASCII)
_WEBHOOK_SECRET = re.compile(r"whsec_[\w+/=-]+", re.ASCII)
_QUOTES = "'\"`‘’“”"

Read = Callable[[str], str]


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
    names: Mapping[str, str], read: Read, *, sandbox: bool, debug: bool, api_base: str, js_url: str = ""
) -> dict[str, Account]:
    """The accounts by name. `names` lists what is set (NAME or NAME_FILE), `read(name)` gives a value or "".

    With `sandbox` and no keys they are the sandbox's: the default one, and one for each currency that has a
    webhook secret. Raises ConfigurationError for whatever is half, twice, of two modes, of no currency, or a
    live key in a place for play money.
    """
    suffixes = _suffixes(names)
    keyed = [
        suffix for suffix in suffixes if read(_of(SECRET_KEY, suffix)) or read(_of(PUBLISHABLE_KEY, suffix))
    ]
    for suffix in suffixes:
        if keyed and suffix not in keyed and read(_of(WEBHOOK_SECRET, suffix)):
            raise ConfigurationError(
                f"{_of(WEBHOOK_SECRET, suffix)} is set, but {_of(SECRET_KEY, suffix)} and "
                f"{_of(PUBLISHABLE_KEY, suffix)} are not: set them too, or take it away."
            )
    if keyed:
        accounts = [_account(suffix, read) for suffix in keyed]
    elif sandbox:
        secret = [suffix for suffix in suffixes if suffix and read(_of(WEBHOOK_SECRET, suffix))]
        accounts = [_sandbox_account(suffix, read) for suffix in ["", *secret]]
    else:
        raise ConfigurationError(
            "No Stripe keys are set: give STRIPE_SECRET_KEY and STRIPE_PUBLISHABLE_KEY, "
            "or STRIPE_SANDBOX=1 to play with the local sandbox."
        )
    _refuse_dangerous_mixes(accounts, sandbox=sandbox, debug=debug, api_base=api_base, js_url=js_url)
    _refuse_doubles(accounts)
    return {account.name: account for account in accounts}


def for_currency(accounts: Mapping[str, Account], currency: str) -> Account | None:
    """The account that takes this currency: its own, else the default one; None if there is neither."""
    return accounts.get(currency) or accounts.get("default")


def variable(name: str, account_name: str) -> str:
    """How the variable is called for this account: STRIPE_SECRET_KEY, "eur" -> STRIPE_SECRET_KEY_EUR."""
    return _of(name, "" if account_name == "default" else account_name.upper())


def _of(name: str, suffix: str) -> str:
    return f"{name}_{suffix}" if suffix else name


def _suffixes(names: Mapping[str, str]) -> list[str]:
    """Of the variables that are set: "" for the default account, else currencies in capitals."""
    found = set()
    for given in (name for name, value in names.items() if value):
        whole = given.upper()
        name = whole.removesuffix("_FILE")
        match = _NAME.fullmatch(name)
        if match is None:
            continue
        if name != whole and names.get(name):
            raise ConfigurationError(f"{name} and {whole} are both set: take one of them away.")
        if given not in (whole, name.lower()):  # it is not read, so its account would silently be missing
            raise ConfigurationError(f"{given} should be written in capitals: {whole}.")
        suffix = match[2] or ""
        if suffix and suffix.lower() not in CURRENCIES:
            raise ConfigurationError(f"{name}: {suffix} is not a currency that Stripe takes.")
        found.add(suffix)
    return sorted(found)


def _account(suffix: str, read: Read) -> Account:
    named_secret, named_publishable = _of(SECRET_KEY, suffix), _of(PUBLISHABLE_KEY, suffix)
    secret, publishable = read(named_secret), read(named_publishable)
    for name, value, pattern, example in (
        (named_secret, secret, _SECRET_KEY, "sk_test_, sk_live_, rk_test_ or rk_live_"),
        (named_publishable, publishable, _PUBLISHABLE_KEY, "pk_test_ or pk_live_"),
    ):
        if not value:
            raise ConfigurationError(f"{name} is missing: a Stripe account needs both keys of its pair.")
        _refuse_wrapping(name, value)
        if pattern is _PUBLISHABLE_KEY and _SECRET_KEY.fullmatch(value):
            raise ConfigurationError(
                f"{name} is no key of the right kind: every visitor would be given a secret one."
            )
        if not pattern.fullmatch(value):
            raise ConfigurationError(f"{name} is no key of the right kind: it starts with {example}.")
    livemode = "_live_" in secret
    if livemode != ("_live_" in publishable):
        raise ConfigurationError(f"{named_secret} and {named_publishable} differ in mode (live, test).")
    return Account(suffix.lower() or "default", secret, publishable, _secrets(suffix, read), livemode)


def _sandbox_account(suffix: str, read: Read) -> Account:
    """The sandbox takes any key, and the end of a key is an account of its own."""
    tail, secrets = suffix.lower(), _secrets(suffix, read)
    secret_key, publishable_key = SANDBOX_SECRET_KEY + tail, SANDBOX_PUBLISHABLE_KEY + tail
    return Account(tail or "default", secret_key, publishable_key, secrets, livemode=False)


def _secrets(suffix: str, read: Read) -> tuple[str, ...]:
    """One webhook secret, or two with a comma between them while the old one is rolled out."""
    name = _of(WEBHOOK_SECRET, suffix)
    parts = [part.strip() for part in read(name).split(",") if part.strip()]
    for part in parts:
        _refuse_wrapping(name, part)
        if not _WEBHOOK_SECRET.fullmatch(part):
            raise ConfigurationError(f"{name} is no signing secret of a webhook: those start with whsec_.")
    return tuple(dict.fromkeys(parts))


def _refuse_wrapping(name: str, value: str) -> None:
    """Stripe would say no more than "Invalid API Key", and a webhook's signature would just never fit."""
    if value != value.strip() or value[0] in _QUOTES or value[-1] in _QUOTES:
        raise ConfigurationError(f"{name} has spaces or quotes around its value: take them away.")


def _refuse_dangerous_mixes(
    accounts: Iterable[Account], *, sandbox: bool, debug: bool, api_base: str, js_url: str
) -> None:
    if sandbox and api_base.startswith("https://api.stripe.com"):
        raise ConfigurationError(
            "STRIPE_SANDBOX is on, but STRIPE_API_BASE is Stripe itself: unset one of them."
        )
    for account in accounts:
        if not sandbox and not api_base and account.secret_key.startswith(SANDBOX_SECRET_KEY):
            name = variable(SECRET_KEY, account.name)
            raise ConfigurationError(
                f"{name} is the sandbox's key: set STRIPE_SANDBOX=1, or a key of your own."
            )
        if not account.livemode:
            continue
        key = f"The live key of account {account.name}"
        if debug:
            raise ConfigurationError(f"{key} must not be used with DEBUG on.")
        if sandbox:
            raise ConfigurationError(f"{key} must not be used with STRIPE_SANDBOX.")
        if api_base and api_base != "https://api.stripe.com":
            raise ConfigurationError(f"{key} would be sent to {api_base}: unset STRIPE_API_BASE.")
        if js_url and not js_url.startswith("https://js.stripe.com/"):
            raise ConfigurationError(f"{key} would be used by the script {js_url}: unset STRIPE_JS_URL.")
    if len({account.livemode for account in accounts}) > 1:
        raise ConfigurationError(
            "Some Stripe accounts have live keys and some test keys: use one mode for all."
        )


def _refuse_doubles(accounts: Iterable[Account]) -> None:
    """What is copied from one account to the next and forgotten there: the money would go to the first."""
    seen: dict[str, str] = {}
    for account in accounts:
        for name, values in (
            (SECRET_KEY, [account.secret_key]),
            (PUBLISHABLE_KEY, [account.publishable_key]),
            (WEBHOOK_SECRET, account.webhook_secrets),
        ):
            here = variable(name, account.name)
            for value in values:
                if value in seen:
                    raise ConfigurationError(
                        f"{seen[value]} and {here} hold the same value: each account has its own."
                    )
                seen[value] = here
