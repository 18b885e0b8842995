"""Accounts, and who has a second factor: to be looked at and, for who lost theirs, to be taken away.

In place of django-otp's own pages, which would show and change the secrets. Accounts are Django's, with the
password of a new one hashed before the transaction that adds it.
"""

from typing import Any

from axes.models import AccessFailureLog
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import AdminUserCreationForm
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.views.decorators.debug import sensitive_variables
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice

from kopeck.staff import second_factor

for model in (User, StaticDevice, TOTPDevice, AccessFailureLog):  # that log is not kept
    if admin.site.is_registered(model):
        admin.site.unregister(model)


class NewAccountForm(AdminUserCreationForm[User]):
    """Django's form, in which the password is hashed already."""

    hashed = ""

    def set_password_and_save(self, user: User, commit: bool = True, **fields: Any) -> User:
        if not self.cleaned_data["set_usable_password"]:
            return super().set_password_and_save(user, commit=commit, **fields)
        user.password = self.hashed
        if commit:
            user.save()
        return user


@admin.register(User)
class AccountAdmin(UserAdmin[User]):
    add_form = NewAccountForm

    @sensitive_variables("password")
    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        password, again = (request.POST.get(name, "") for name in ("password1", "password2"))
        if password and password == again and self.has_add_permission(request):
            request.hashed = make_password(password)  # type: ignore[attr-defined]
        return super().add_view(request, form_url, extra_context)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **options: Any) -> Any:
        form: Any = super().get_form(request, obj, change=change, **options)
        form.hashed = getattr(request, "hashed", "")  # the class was made for this request
        return form


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
