"""The REST API: money in integer minor units, errors as `{"error": {"code", "message"}}`.

Its OpenAPI document is at /api/v1/openapi.json, and to be read with examples at /api/v1/docs.
"""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError

from kopeck.api import after_sales, items, orders
from kopeck.api.docs import Page
from kopeck.errors import ShopError
from kopeck.web.errors import error_response

api = NinjaAPI(
    title="Kopeck",
    version="1",
    description="A self-hosted Stripe shop. Amounts are minor units.",
    docs=Page(),
)
for part in (items, orders, after_sales):
    api.add_router("", part.router)


@api.exception_handler(ShopError)
def _refusal(request: HttpRequest, error: ShopError) -> HttpResponse:
    return error_response(request, error)


@api.exception_handler(ValidationError)
def _invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    first = error.errors[0] if error.errors else {}
    # "body", or where else it stands, and the name of the function's argument are no field of the caller's.
    place = [str(part) for part in first.get("loc", ())]
    where = ".".join(place[2:] if place[:1] == ["body"] else place[1:])
    return error_response(request, ShopError("invalid", _sentence(where, first), status=422))


def _sentence(where: str, problem: dict[str, Any]) -> str:
    """A sentence in place of pydantic's word."""
    words = {"field": where or _("The body"), **{name: str(value) for name, value in _bounds(problem)}}
    kind = str(problem.get("type", ""))
    if problem.get("ctx", {}).get("error") is not None:
        kind = str(problem["ctx"]["error"])
    sentences = {
        "missing": _("%(field)s is missing."),
        "greater_than_equal": _("%(field)s should be %(ge)s or more."),
        "less_than_equal": _("%(field)s should be %(le)s or less."),
        "string_too_long": _("%(field)s should have at most %(max_length)s letters."),
        "too_short": _("%(field)s should have at least %(min_length)s entries."),
        "too_long": _("%(field)s should have at most %(max_length)s entries."),
        "enum": _("%(field)s should be one of these: %(expected)s."),
        "literal_error": _("%(field)s should be one of these: %(expected)s."),
        "list_type": _("%(field)s should be a list."),
        "one_of_two": _("Say one of the two: set or change."),
        "not_both": _("Say an amount or lines, and not both."),
        "extra_forbidden": _("There is no field %(field)s."),
    }
    by_family = {
        "int": _("%(field)s should be a whole number."),
        "string": _("%(field)s should be a text."),
        "bool": _("%(field)s should be true or false."),
        "datetime": _("%(field)s should be a time, such as 2026-11-28T12:00:00Z."),
        "model": _("%(field)s should be an object in JSON."),
        "dict": _("%(field)s should be an object in JSON."),
    }
    found = sentences.get(kind) or by_family.get(kind.partition("_")[0])
    return (found or _("%(field)s is not as it should be.")) % words


def _bounds(problem: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(name, value) for name, value in problem.get("ctx", {}).items() if name != "error"]


@api.exception_handler(HttpError)
def _http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    message = _("The body should be JSON, as UTF-8.")
    return error_response(request, ShopError("bad_request", message, status=error.status_code))
