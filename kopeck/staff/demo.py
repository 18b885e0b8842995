"""A shop that anybody may try (DEMO=1): a log-in for all, which looks at everything and changes nothing."""

from django.apps import apps
from django.contrib.auth.models import Permission, User
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.deprecation import MiddlewareMixin
from django.utils.translation import gettext as _

from kopeck.errors import ShopError
from kopeck.web.errors import error_response

#: Name and password of the log-in.
VISITOR = "visitor"
#: What it may send besides questions.
OPEN = ("admin:login", "admin:logout")
SAFE = ("GET", "HEAD", "OPTIONS")


def add_visitor() -> None:
    """Makes the log-in, which may view what the shop itself has: no users, no log-ins, no second factors."""
    visitor, _is_new = User.objects.get_or_create(username=VISITOR, defaults={"is_staff": True})
    visitor.set_password(VISITOR)
    visitor.save()
    ours = {config.label for config in apps.get_app_configs() if config.name.startswith("kopeck.")}
    viewing = Permission.objects.filter(codename__startswith="view_", content_type__app_label__in=ours)
    visitor.user_permissions.set(viewing)


class OnlyLooks(MiddlewareMixin):
    """Refuses what the visitor sends to the admin, be it his own password: the next one comes in by it."""

    def process_request(self, request: HttpRequest) -> HttpResponseBase | None:
        if request.method in SAFE or not request.path_info.startswith("/admin/"):
            return None
        if request.path_info in {reverse(name) for name in OPEN}:
            return None
        if request.user.get_username() != VISITOR:
            return None
        message = _("This is a demo: its visitor may look at everything, and changes nothing.")
        return error_response(request, ShopError("demo", message, status=403))
