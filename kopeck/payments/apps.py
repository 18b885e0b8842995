import sys

from django.apps import AppConfig
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.mail import get_connection
from django.utils.translation import gettext_lazy as _


class PaymentsConfig(AppConfig):
    name = "kopeck.payments"
    verbose_name = _("Payments")

    def ready(self) -> None:
        from kopeck.payments import (  # noqa: F401 - the admins register themselves
            copies_admin,
            findings_admin,
            limit_admin,
            mail_admin,
            mirror,
            order_admin,
            refund_admin,
        )

        mirror.connect()
        _require_mail_service()


def _require_mail_service() -> None:
    """Exits in a sentence where a mail service lacks its token: it would refuse every mail."""
    if not settings.EMAIL_BACKEND.startswith("anymail."):
        return
    try:
        get_connection()
    except ImproperlyConfigured as problem:
        sys.exit(f"kopeck: EMAIL_BACKEND: {' '.join(str(problem).split())}")
