"""The app that keeps the back office shut, and names for the admin of the two libraries behind it."""

import axes.apps
from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _
from django_otp.plugins.otp_totp.apps import DefaultConfig


class StaffConfig(AppConfig):
    name = "kopeck.staff"


class LogInsConfig(axes.apps.AppConfig):  # type: ignore[misc]
    verbose_name = _("Log-ins")


class SecondFactorsConfig(DefaultConfig):  # type: ignore[misc]
    verbose_name = _("Second factors")
