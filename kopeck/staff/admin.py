"""Accounts, the history of who changed what, and second factors, to be taken away where one was lost.

In place of django-otp's own pages, which would show and change the secrets. Accounts are Django's, with the
password of a new one hashed before the transaction that adds it.
"""

from typing import Any

from axes.models import AccessFailureLog
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.forms import AdminUserCreationForm
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice

from kopeck.staff import second_factor
from kopeck.web.admin import ReadOnlyAdmin

for model in (User, Group, StaticDevice, TOTPDevice, AccessFailureLog):  # that log is not kept
    if admin.site.is_registered(model):
        admin.site.unregister(model)


#: What may be done with a model, by the first word of the permission's code.
MAY = {
    "add": _("Can add"),
    "change": _("Can change"),
    "delete": _("Can delete"),
    "view": _("Can view"),
}


def _named(permission: Permission) -> str:
    """A permission in the reader's language, short enough for its list. Django's name of it is in English."""
    model, (word, _line, of) = permission.content_type, permission.codename.partition("_")
    may = MAY[word] if word in MAY and of == model.model else gettext(permission.name)
    return f"{capfirst(model.name)} | {may}"


class WithPermissions:
    """A form in which permissions are chosen."""

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        field: Any = super().formfield_for_manytomany(db_field, request, **options)  # type: ignore[misc]
        if field and db_field.related_model is Permission:
            field.label_from_instance = _named
        return field


@admin.register(Group)
class StaffGroupAdmin(WithPermissions, GroupAdmin):  # type: ignore[misc]
    pass


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
class AccountAdmin(WithPermissions, UserAdmin[User]):
    add_form = NewAccountForm

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """With an account its part of the history would go: who has one is shut out instead."""
        accounts = list(objs)
        busy = LogEntry.objects.filter(user__in=accounts).order_by().values_list("user", flat=True).distinct()
        said = _("“%(name)s” has changed things, which the history keeps. Untick “active” instead.")
        if kept := [said % {"name": one} for one in User.objects.filter(pk__in=list(busy))]:
            return [str(one) for one in accounts], {}, set(), kept
        return super().get_deleted_objects(objs, request)

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


class Whose(admin.SimpleListFilter):
    """By what was changed: one of the models that this desk shows."""

    title, parameter_name = _("what"), "what"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        shown = [model for model in apps.get_models() if admin.site.is_registered(model)]
        return [(model._meta.label_lower, model._meta.verbose_name_plural) for model in shown]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        app, _dot, model = (self.value() or "").partition(".")
        kind = ContentType.objects.filter(app_label=app, model=model).first()
        return queryset.filter(content_type=kind) if self.value() else queryset


@admin.register(LogEntry)
class HistoryAdmin(ReadOnlyAdmin):
    list_display = ["action_time", "user", "what", "its_object", "told"]
    list_display_links = None
    list_filter = [Whose, "user", "action_flag"]
    list_select_related = ["user", "content_type"]
    search_fields = ["=object_id", "=user__username"]
    search_help_text = _("A number of an order or another object, or a user's name.")
    ordering = ["-pk"]
    fields = readonly_fields = ["action_time", "user", "what", "its_object", "told"]  # type: ignore[assignment]

    class Media:
        css = {"all": ["staff.css"]}

    @admin.display(description=_("what"))
    def what(self, entry: LogEntry) -> str:
        model = entry.content_type.model_class() if entry.content_type else None
        return str(model._meta.verbose_name) if model else "–"

    @admin.display(description=_("object"))
    def its_object(self, entry: LogEntry) -> str:
        address = None if entry.is_deletion() else entry.get_admin_url()
        return (
            format_html('<a href="{}">{}</a>', address, entry.object_repr) if address else entry.object_repr
        )

    @admin.display(description=_("change"))
    def told(self, entry: LogEntry) -> str:
        return render_to_string("admin/staff/changes.html", {"entry": entry})


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
