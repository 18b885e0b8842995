"""Guessing passwords: django-axes counts the wrong ones in PostgreSQL, by name and address.

An address is limited over all names besides, before any password is hashed. It is what `REMOTE_ADDR` says:
what a proxy claims is weighed before, by who trusts it.
"""

import math
from datetime import datetime
from typing import Any

from axes.backends import AxesStandaloneBackend
from axes.models import AccessAttempt
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import ngettext

from kopeck.errors import ShopError
from kopeck.web.errors import error_response
from kopeck.web.proxies import network_of

#: Wrong passwords that one address may give within AXES_COOLOFF_TIME, whatever the names.
MOST_BY_ADDRESS = 20


class Lockout(AxesStandaloneBackend):  # type: ignore[misc]
    """Asked before the password is: is this name locked for this address, or the address for all names?"""

    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> None:
        if request is not None and settings.AXES_ENABLED and (seconds := _seconds_for_all(request)):
            raise _too_many(seconds)
        super().authenticate(request, **credentials)


def client_address(request: HttpRequest) -> str | None:
    """The address that counts, of IPv6 its network; None where the web server names none."""
    return network_of(request.META.get("REMOTE_ADDR") or "") or None


def locked_out(request: HttpRequest, response: Any, credentials: dict[str, Any] | None) -> HttpResponse:
    """429 with the time to wait, for this name from this address."""
    seconds = _seconds_left((credentials or {}).get("username"), client_address(request))
    return error_response(request, _too_many(seconds))


def _too_many(seconds: int) -> ShopError:
    minutes = math.ceil(seconds / 60)
    sentence = ngettext(
        "Too many wrong passwords. Please try again in %(minutes)s minute.",
        "Too many wrong passwords. Please try again in %(minutes)s minutes.",
        minutes,
    )
    message = sentence % {"minutes": minutes}
    return ShopError("too_many_passwords", message, status=429, retry_after=seconds)


def _seconds_left(username: str | None, address: str | None) -> int:
    attempts = AccessAttempt.objects.filter(username=username, ip_address=address)
    last = attempts.order_by("-attempt_time").values_list("attempt_time", flat=True).first()
    return _seconds_until_forgotten(last or timezone.now())


def _seconds_for_all(request: HttpRequest) -> int:
    """How long the address has to wait before it may try any name; 0 where it need not."""
    since = timezone.now() - settings.AXES_COOLOFF_TIME
    attempts = AccessAttempt.objects.filter(ip_address=client_address(request), attempt_time__gte=since)
    newest = attempts.order_by("-attempt_time").values_list("attempt_time", "failures_since_start")
    given = 0
    for attempt_time, failures in newest[:MOST_BY_ADDRESS]:
        given += failures
        if given >= MOST_BY_ADDRESS:
            return _seconds_until_forgotten(attempt_time)
    return 0


def _seconds_until_forgotten(attempt_time: datetime) -> int:
    left = attempt_time + settings.AXES_COOLOFF_TIME - timezone.now()
    return max(1, math.ceil(left.total_seconds()))
