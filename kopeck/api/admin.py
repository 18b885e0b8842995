"""The tokens of programs: made, shown once, narrowed, ended and deleted."""

from copy import deepcopy
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.models import AbstractUser, AnonymousUser
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from kopeck.api.models import GRANTED_BY, Scope, Token
from kopeck.staff.history import Recorded
from kopeck.web.admin import SecretShownOnce
from kopeck.web.fields import NameField


def _in_a_year() -> Any:
    return (timezone.now() + timedelta(days=365)).replace(microsecond=0)


class TokenForm(forms.ModelForm[Token]):
    scopes = forms.MultipleChoiceField(
        label=_("Scopes"), choices=Scope.choices, widget=forms.CheckboxSelectMultiple
    )

    class Meta:
        model = Token
        fields = ["name", "scopes", "ends"]
        field_classes = {"name": NameField, "ends": forms.SplitDateTimeField}


@admin.register(Token)
class TokenAdmin(Recorded, SecretShownOnce):
    form = TokenForm
    list_display = ["name", "prefix", "granted", "ends", "last_used", "made_by"]
    search_fields = ["^name", "=prefix"]
    fields = ["name", "scopes", "ends", "prefix", "last_used", "made_by", "created"]
    readonly_fields = ["prefix", "last_used", "made_by", "created"]
    secret_title = _("The new API token")
    secret_help = _(
        "Give it to your program now: the shop keeps only a hash of it, and it is not shown again. "
        "The program sends it with each request:"
    )
    shown_before = "Authorization: Bearer "

    @admin.display(description=_("scopes"))
    def granted(self, token: Token) -> str:
        return ", ".join(token.scopes)

    def get_form(
        self, request: HttpRequest, obj: Token | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        """With the scopes that one may use oneself: nobody gains by making a token."""
        form = super().get_form(request, obj, change, **kwargs)
        if "scopes" in form.base_fields:
            # Of this form alone: the declared field is every request's, of any thread.
            scopes: Any = deepcopy(form.base_fields["scopes"])
            form.base_fields["scopes"] = scopes
            mine = [one for one in Scope.choices if _may_grant(request.user, one[0])]
            scopes.choices = [(scope, f"{scope} – {label}") for scope, label in mine]
        return form

    def get_fields(self, request: HttpRequest, obj: Token | None = None) -> Any:
        return self.fields if obj else TokenForm.Meta.fields

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"ends": _in_a_year(), **super().get_changeform_initial_data(request)}

    def save_model(self, request: HttpRequest, obj: Token, form: Any, change: bool) -> None:
        if not change:
            obj.made_by = request.user.get_username()
        super().save_model(request, obj, form, change)


def _may_grant(user: AbstractUser | AnonymousUser, scope: str) -> bool:
    return user.has_perm(GRANTED_BY[Scope(scope)])
