"""Guessing passwords: django-axes counts them in PostgreSQL, by name and address; this is what it says.

An address is what `REMOTE_ADDR` says: what a proxy claims is weighed before, by who trusts it.
"""

import math
from datetime import timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

from axes.models import AccessAttempt
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import ngettext

from kopeck.errors import ShopError
from kopeck.web import error_response


def client_address(request: HttpRequest) -> str | None:
    """The address that counts: of IPv6 its /64, for that is what one household or one rented server has."""
    try:
        address = ip_address(request.META.get("REMOTE_ADDR") or "")
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        return str(ip_network((address, 64), strict=False).network_address)
    return str(address)


def locked_out(request: HttpRequest, response: Any, credentials: dict[str, Any] | None) -> HttpResponse:
    """429 with the time to wait, for this name from this address."""
    seconds = _seconds_left((credentials or {}).get("username"), client_address(request))
    minutes = math.ceil(seconds / 60)
    sentence = ngettext(
        "Too many wrong passwords. Please try again in %(minutes)s minute.",
        "Too many wrong passwords. Please try again in %(minutes)s minutes.",
        minutes,
    )
    answer = error_response(
        request, ShopError("too_many_passwords", sentence % {"minutes": minutes}, status=429)
    )
    answer["Retry-After"] = str(seconds)
    return answer


def _seconds_left(username: str | None, address: str | None) -> int:
    cool_off: timedelta = settings.AXES_COOLOFF_TIME
    attempts = AccessAttempt.objects.filter(username=username, ip_address=address)
    last = attempts.order_by("-attempt_time").values_list("attempt_time", flat=True).first()
    left = (last or timezone.now()) + cool_off - timezone.now()
    return max(1, math.ceil(left.total_seconds()))
