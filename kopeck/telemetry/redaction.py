"""What must never be written down, in whatever text it is: keys, client secrets, passwords, card numbers.

The key in an order's link is one of them: its holder may change and pay the order.

The last fence, behind code that does not write them in the first place: log lines, error reports, events that
are kept. Patterns catch Stripe's own shapes; this shop's values are caught by what they are.
"""

import html
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.utils.safestring import SafeString
from django.views.debug import ExceptionReporter, SafeExceptionReporterFilter

HIDDEN = "[hidden]"
#: Shorter than this a value is a word: hiding "kopeck" would spoil every line.
SHORTEST = 12
#: Stripe's objects are not nested as deep; what is was made to hurt.
DEEPEST = 60

_SHAPES = re.compile(
    r"\b(?P<key>[sr]k_(?:test|live)_)\w+"
    r"|\b(?P<webhook>whsec_)[\w+/=-]+"
    r"|\b(?P<token>kpk_)[\w-]+"
    r"|\b(?P<client>(?:pi|seti|cs|src|cuss)_\w+_secret_)\w+"
    r"|(?P<query>[?&;](?i:key|token|\w*secret|\w*password)=)[^&\s\"'#<>]+"
    r"|(?P<user>://[^\s:/@'\"]+:)[^\s/@'\"]+(?=@)"
)
_CARD = re.compile(r"(?<![\w.-])[3-6](?:[ -]?\d){13,18}(?![\w-])")
#: What is hidden holds one of these, or is a value of this shop's. Most lines hold none: one look is enough.
_MAYBE = re.compile(r"[@_=+]|line[12]|city|phone|://|(?i:earer |asic )|[3-6](?:[ -]?\d){13}")
_NAMES = re.compile(r"KEY|SECRET|PASS|TOKEN|DSN|SIGNATURE|CREDENTIAL", re.IGNORECASE)
_PHONE = re.compile(r"(?<![\w+])\+[1-9](?:[ ()-]{0,2}\d){7,14}(?!\w)")
#: An address in a printed object or in a form.
_ADDRESS = re.compile(
    r"""(\b(?:line[12]|city|postal_code|phone)["']?(?:\]|%5D)?\s*[:=]\s*)("[^"\n]*"|'[^'\n]*'|[^\s&"',}]+)"""
)
_LOGIN = re.compile(r"(\b[Bb](?i:earer|asic) )[^\s\"',]+")
_EMAIL = re.compile(r"[^\s<>\"'(=,;:@]+@[^\s<>\"'),;:@]+\.[^\s<>\"'),;:@]+")


def scrub(text: str, *, kept: bool = False) -> str:
    """The text with everything secret in it replaced by "[hidden]", e-mail addresses by "...@...", and
    phones and postal addresses by "[hidden]" too.

    `kept`: of what the shop keeps for its owner (mails, events) only keys, secrets and cards are hidden. Its
    addresses are of use there, and a "Basic plan" is something on sale.
    """
    is_plain = not _MAYBE.search(text)
    if not is_plain:
        text = _SHAPES.sub(lambda found: f"{next(filter(None, found.groups()))}{HIDDEN}", text)
        text = _CARD.sub(lambda found: HIDDEN if _is_card(found[0]) else found[0], text)
    for value in our_secrets():
        text = text.replace(value, HIDDEN)
    if kept or is_plain:
        return text
    text = _LOGIN.sub(rf"\1{HIDDEN}", text)
    text = _ADDRESS.sub(rf"\1{HIDDEN}", _PHONE.sub(HIDDEN, text))
    return _EMAIL.sub("...@...", text) if "@" in text else text


def scrub_all(facts: dict[str, Any]) -> dict[str, Any]:
    """The same facts with every text scrubbed. One look at all of them does where none holds a secret."""
    together = "\0".join([value for value in facts.values() if isinstance(value, str)])
    if not _MAYBE.search(together):
        for value in our_secrets():
            if value in together:
                break
        else:
            return facts
    return {name: scrub(value) if isinstance(value, str) else value for name, value in facts.items()}


@lru_cache(maxsize=1)
def our_secrets() -> tuple[str, ...]:
    """The values of this shop's settings that are secrets, and how they look in HTML; the longest first."""
    found = set(_among(settings.DATABASES))
    for name in dir(settings):
        value = getattr(settings, name, None)
        if isinstance(value, Mapping):
            found |= set(_among(value))
        elif isinstance(value, str) and _NAMES.search(name):
            found.add(value)
    for account in settings.STRIPE_ACCOUNTS.values():
        found |= {account.secret_key, *account.webhook_secrets}
    found |= {html.escape(value) for value in found}
    return tuple(sorted((value for value in found if len(value) >= SHORTEST), key=len, reverse=True))


def without_secrets(value: Any, depth: int = 0) -> Any:
    """Stripe's object as it may be kept: no client secret in it, which is enough to confirm with."""
    if depth > DEEPEST:
        return HIDDEN
    if isinstance(value, dict):
        kept = {name: inner for name, inner in value.items() if not str(name).endswith("client_secret")}
        kept |= {name: HIDDEN for name in _personal(kept) if isinstance(kept[name], str) and kept[name]}
        return {name: without_secrets(inner, depth + 1) for name, inner in kept.items()}
    if isinstance(value, list):
        return [without_secrets(inner, depth + 1) for inner in value]
    return scrub(value, kept=True) if isinstance(value, str) else value


_DIGITS = bytes.maketrans(b"0123456789", b"0" * 10)
_USER = re.compile(rb"://[^\s:/@'\"]+:[^\s/@'\"]+@")
_WHERE = re.compile(rb'"(?:line[12]|city|postal_code|state|phone)"\s*:\s*"')
#: Some of these stands in whatever JSON `without_secrets` would change, beside what is looked for apart. An
#: escaped letter may be any.
_SIGNS = (b"\\", b"_secret", b"sk_test_", b"sk_live_", b"rk_test_", b"rk_live_", b"whsec_", b"kpk_")
_ASSIGNED = (b"key=", b"token=", b"secret=", b"password=")


def holds_nothing(body: bytes) -> bool:
    """Whether `without_secrets` surely leaves this JSON as it is. Quick: most events hold nothing secret."""
    if not body.isascii() or any(sign in body for sign in _SIGNS):
        return False
    if body.count(b"{") + body.count(b"[") > DEEPEST:
        return False
    if b"=" in body and any(name in body.lower() for name in _ASSIGNED):
        return False
    if _WHERE.search(body):
        return False
    if b"@" in body and _USER.search(body):
        return False
    # A card's digits, whatever stands between them.
    if b"0" * 14 in body.translate(_DIGITS, b" -"):
        return False
    return not any(value in body for value in _encoded(our_secrets()))


@lru_cache(maxsize=1)
def _encoded(values: tuple[str, ...]) -> tuple[bytes, ...]:
    return tuple(value.encode() for value in values)


def _personal(value: Mapping[str, Any]) -> set[str]:
    """Where people live and how they are called: the order keeps that, for as long as the owner wants."""
    if "line1" in value:  # an address: its country is no secret
        return {"line1", "line2", "city", "postal_code", "state"} & value.keys()
    place = value.get("address")
    return ({"name", "phone"} if isinstance(place, dict) and place.get("line1") else {"phone"}) & value.keys()


class ReportFilter(SafeExceptionReporterFilter):
    """Hides in development too what Django hides in production, and more names than it does."""

    hidden_settings = re.compile(
        SafeExceptionReporterFilter.hidden_settings.pattern
        + "|DSN|DATABASE_URL|CREDENTIAL|AUTHORIZATION|VISITOR|SESSION|OTP",
        re.IGNORECASE,
    )

    def is_active(self, request: Any) -> bool:
        return True


class Report(ExceptionReporter):
    """Django's report of an error, as page, mail or text: whatever frame it shows, no secret is in it."""

    def get_traceback_html(self) -> SafeString:
        return SafeString(scrub(super().get_traceback_html()))

    def get_traceback_text(self) -> SafeString:
        return SafeString(scrub(super().get_traceback_text()))


def _among(mapping: Mapping[Any, Any]) -> Iterator[str]:
    for name, value in mapping.items():
        if isinstance(value, Mapping):
            yield from _among(value)
        elif isinstance(value, str) and isinstance(name, str) and _NAMES.search(name):
            yield value


def _is_card(text: str) -> bool:
    """Whether its digits add up as a card's do (Luhn)."""
    digits = [int(digit) for digit in reversed(text) if digit.isdigit()]
    doubled = (sum(divmod(2 * digit, 10)) for digit in digits[1::2])
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0
