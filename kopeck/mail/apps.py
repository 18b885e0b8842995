import sys

from django.apps import AppConfig
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.mail import get_connection
from django.utils.translation import gettext_lazy as _


class MailConfig(AppConfig):
    name = "kopeck.mail"
    verbose_name = _("Mail")

    def ready(self) -> None:
        """Exits in a sentence where a mail service lacks its token: it would refuse every mail."""
        if not settings.EMAIL_BACKEND.startswith("anymail."):
            return
        try:
            get_connection()
        except ImproperlyConfigured as problem:
            sys.exit(f"kopeck: EMAIL_BACKEND: {' '.join(str(problem).split())}")
