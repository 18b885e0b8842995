"""The app that keeps the back office shut, our own site for it, and names for the two libraries behind it."""

import axes.apps
import django.contrib.admin.apps
from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _
from django_otp.plugins.otp_totp.apps import DefaultConfig


class StaffConfig(AppConfig):
    name = "kopeck.staff"
    verbose_name = _("Staff")


class DeskConfig(django.contrib.admin.apps.AdminConfig):
    default = False  # or Django would take it for the one of "kopeck.staff"
    default_site = "kopeck.staff.site.Desk"


class LogInsConfig(axes.apps.AppConfig):  # type: ignore[misc]
    verbose_name = _("Log-ins")


class SecondFactorsConfig(DefaultConfig):  # type: ignore[misc]
    verbose_name = _("Second factors")
