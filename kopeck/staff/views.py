"""Two pages of the admin: the token that is asked for after the password, and the second factor's desk."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods
from django_otp import login as otp_login

from kopeck.staff import second_factor
from kopeck.staff.second_factor import Missing, TokenRefused, missing

View = Callable[[HttpRequest], HttpResponse]


def for_staff(view: Callable[Concatenate[HttpRequest, User, ...], HttpResponse]) -> View:
    """For those who gave a password and may work here, with the second factor or on the way to it."""

    @wraps(view)
    def checked(request: HttpRequest) -> HttpResponse:
        user = request.user
        if not (user.is_authenticated and user.is_active and user.is_staff):
            return redirect_to_login(request.get_full_path(), reverse("admin:login"))
        return view(request, user)

    wrapped = require_http_methods(["GET", "HEAD", "POST"])(checked)
    # The middleware's own promise holds here too: the token's page is never framed, cached or logged.
    return never_cache(sensitive_post_parameters("token")(wrapped))


@for_staff
def token(request: HttpRequest, user: User) -> HttpResponse:
    """GET, POST /admin/second-factor/token/: the second step of logging in."""
    target = _next(request)
    lack = missing(user)
    if lack is not Missing.TOKEN:
        return HttpResponseRedirect(target if lack is Missing.NOTHING else reverse("second-factor"))
    refused = None
    if request.method == "POST":
        try:
            _let_in(request, second_factor.verify(user, request.POST.get("token", "")))
            return HttpResponseRedirect(target)
        except TokenRefused as why:
            refused = why
    context = {"title": _("Second factor"), "next": target, "recovery": "recovery" in request.GET}
    return _page(request, "admin/staff/token.html", context, refused)


@for_staff
def desk(request: HttpRequest, user: User) -> HttpResponse:
    """GET, POST /admin/second-factor/: set it up, renew the recovery codes, switch it off."""
    if missing(user) is Missing.TOKEN:
        return HttpResponseRedirect(reverse("second-factor-token"))
    context: dict[str, Any] = {
        "title": _("Second factor"),
        "required": settings.STAFF_SECOND_FACTOR == "required",
    }
    refused = None
    if request.method == "POST":
        try:
            answer = _act(request, user)
        except TokenRefused as why:
            refused = why
        else:
            if isinstance(answer, HttpResponse):
                return answer
            context["codes"] = answer
    device = second_factor.device_of(user)
    if device is None:
        device = second_factor.begin(user)
        context |= {
            "drawn": second_factor.drawn(device),
            "secret": second_factor.secret_text(device),
            "is_nav_sidebar_enabled": missing(user) is Missing.NOTHING,
        }
    else:
        context |= {"device": device, "codes_left": second_factor.codes_left(user)}
    return _page(request, "admin/staff/second_factor.html", context, refused)


def _act(request: HttpRequest, user: User) -> HttpResponse | list[str]:
    """What the desk's form asks for: new recovery codes to show, or where to go on. Raises TokenRefused."""
    given, action = request.POST.get("token", ""), request.POST.get("action", "")
    is_on = second_factor.device_of(user) is not None
    if action == "confirm" and not is_on:
        device, codes = second_factor.confirm(user, given)
    elif action == "codes" and is_on:
        device_or_none, codes = second_factor.renew_codes(user, given)
        if device_or_none is None:
            return HttpResponseRedirect(reverse("second-factor"))
        device = device_or_none
    else:
        if action == "off" and is_on:
            second_factor.verify(user, given)
            second_factor.switch_off(user)
            messages.success(request, _("The second factor is off."))
        return HttpResponseRedirect(reverse("second-factor"))
    _let_in(request, device)
    return codes


def _let_in(request: HttpRequest, device: Any) -> None:
    """The session has its second factor; its name changes, as with every step up."""
    request.session.cycle_key()
    otp_login(request, device)


def _page(
    request: HttpRequest, template: str, context: dict[str, Any], refused: TokenRefused | None
) -> HttpResponse:
    wait = refused.seconds if refused else 0
    whole = {**admin.site.each_context(request), "refused": refused, **context}
    response = render(request, template, whole, status=429 if wait else 200)
    if wait:
        response["Retry-After"] = str(wait)
    return response


def _next(request: HttpRequest) -> str:
    """Where to go on: an address of our own, or the admin's first page."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    own = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure())
    return wanted if own else reverse("admin:index")
