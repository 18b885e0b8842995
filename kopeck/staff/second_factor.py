"""The second factor: a token of an authenticator app (TOTP), or one of ten recovery codes.

django-otp keeps the devices, checks tokens, takes each only once, and makes who guesses wait ever longer. A
session whose token has not been given counts as nobody's: see kopeck.staff.middleware.
"""

import math
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING

import segno
from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.db import transaction
from django.utils import timezone
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext, ngettext
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from kopeck.database.slow import spare_database
from kopeck.typed import read_code

if TYPE_CHECKING:
    from django_otp.models import Device

RECOVERY_CODES = 10


class Missing(Enum):
    """What a log-in still lacks."""

    NOTHING = "nothing"
    TOKEN = "token"  # noqa: S105 - a name
    DEVICE = "device"


class TokenRefused(Exception):
    """`str()` is the sentence to show; `seconds` is how long to wait, 0 where the token was just wrong."""

    def __init__(self, message: str, seconds: int = 0) -> None:
        super().__init__(message)
        self.seconds = seconds


def missing(user: User | AnonymousUser) -> Missing:
    """What keeps this log-in from counting. The user is one that django-otp's middleware has looked at."""
    if not user.is_authenticated or user.is_verified():  # type: ignore[attr-defined]
        return Missing.NOTHING
    if device_of(user) is not None:
        return Missing.TOKEN
    required = user.is_staff and settings.STAFF_SECOND_FACTOR == "required"
    return Missing.DEVICE if required else Missing.NOTHING


def device_of(user: User) -> TOTPDevice | None:
    """The user's authenticator; None where the second factor is off."""
    device: TOTPDevice | None = TOTPDevice.objects.filter(user=user, confirmed=True).first()
    return device


def begin(user: User) -> TOTPDevice:
    """The device that is being set up: it counts for nothing until a token has confirmed it."""
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)  # two tabs show the same secret
        device: TOTPDevice
        device, _made = TOTPDevice.objects.get_or_create(
            user=user, confirmed=False, defaults={"name": "authenticator"}
        )
    return device


def confirm(user: User, token: str) -> "tuple[TOTPDevice, list[str]]":
    """Switches the second factor on. Returns the device and the recovery codes. Raises TokenRefused."""
    with transaction.atomic():
        device = TOTPDevice.objects.select_for_update().filter(user=user, confirmed=False).first()
        refused = _check(device, _tidy(token))
        if refused is None:
            device.confirmed = True
            device.save(update_fields=["confirmed"])
            return device, _fresh_codes(user)
    raise refused  # after the commit, which keeps the count of wrong tokens


def verify(user: User, token: str) -> "Device":
    """The device that took this token or recovery code, which is then used up. Raises TokenRefused."""
    token = _tidy(token)
    model = TOTPDevice if token.isdigit() and len(token) == 6 else StaticDevice
    with transaction.atomic():
        device = model.objects.select_for_update().filter(user=user, confirmed=True).first()
        refused = _check(device, token)
    if refused is not None:
        raise refused
    return device


def renew_codes(user: User, token: str) -> "tuple[TOTPDevice | None, list[str]]":
    """Ten new recovery codes; the old ones are void. Raises TokenRefused."""
    verify(user, token)
    with transaction.atomic():
        return device_of(user), _fresh_codes(user)


def switch_off(user: User) -> bool:
    """Takes the authenticator and the recovery codes away; False where there were none."""
    with transaction.atomic():
        count = TOTPDevice.objects.filter(user=user).delete()[0]
        count += StaticDevice.objects.filter(user=user).delete()[0]
    return bool(count)


def codes_left(user: User) -> int:
    count: int = StaticToken.objects.filter(device__user=user).count()
    return count


def drawn(device: TOTPDevice) -> SafeString:
    """The code to scan, as SVG for the page: black on white in the dark too, for cameras expect that."""
    spare_database()
    code = segno.make(device.config_url, error="m")
    svg = code.svg_inline(border=4, dark="#000", light="#fff", omitsize=True, svgclass=None, lineclass=None)
    return mark_safe(svg)  # noqa: S308 - rectangles of segno's, with nothing of anybody's text in it


def secret_text(device: TOTPDevice) -> str:
    """The secret for those who type it: groups of four letters."""
    import base64

    letters = base64.b32encode(device.bin_key).decode().rstrip("=")
    return " ".join(letters[start : start + 4] for start in range(0, len(letters), 4))


def _tidy(token: str) -> str:
    """As people copy them: with spaces, hyphens, capitals."""
    return "".join(read_code(token[:200]).split()).replace("-", "").lower()[:32]


def _check(device: "Device | None", token: str) -> TokenRefused | None:
    """Why the locked device does not take this token; None where it does."""
    wrong = TokenRefused(
        gettext("This is not the right token, or it was used before. Wait for the next one.")
    )
    if device is None:
        return wrong
    allowed, why = device.verify_is_allowed()
    if not allowed:
        return _wait((why or {}).get("locked_until") or timezone.now())
    return None if token.isascii() and token.isalnum() and device.verify_token(token) else wrong


def _wait(until: datetime) -> TokenRefused:
    seconds = max(1, math.ceil((until - timezone.now()).total_seconds()))
    sentence = ngettext(
        "Too many wrong tokens. Please try again in %(seconds)s second.",
        "Too many wrong tokens. Please try again in %(seconds)s seconds.",
        seconds,
    )
    return TokenRefused(sentence % {"seconds": seconds}, seconds)


def _fresh_codes(user: User) -> list[str]:
    StaticDevice.objects.filter(user=user).delete()
    box = StaticDevice.objects.create(user=user, name="recovery codes")
    codes = [StaticToken.random_token() for _number in range(RECOVERY_CODES)]
    StaticToken.objects.bulk_create(StaticToken(device=box, token=code) for code in codes)
    return [f"{code[:4]}-{code[4:]}" for code in codes]
