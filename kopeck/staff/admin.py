"""Who has a second factor, for superusers: to be looked at and, for who lost theirs, to be taken away.

In place of django-otp's own pages, which would show and change the secrets.
"""

from typing import Any

from axes.models import AccessFailureLog
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice

from kopeck.staff import second_factor

for model in (StaticDevice, TOTPDevice, AccessFailureLog):  # that log is not kept
    if admin.site.is_registered(model):
        admin.site.unregister(model)


@admin.register(TOTPDevice)
class SecondFactorAdmin(admin.ModelAdmin[Any]):
    list_display = ["user", "confirmed", "created_at", "last_used_at"]
    list_display_links = ["user"]
    list_select_related = ["user"]
    search_fields = ["user__username"]
    fields = readonly_fields = ["user", "confirmed", "created_at", "last_used_at", "throttling_failure_count"]  # type: ignore[assignment]

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_active and request.user.is_superuser)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_view_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        second_factor.switch_off(obj.user)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        for device in queryset.select_related("user"):
            second_factor.switch_off(device.user)
