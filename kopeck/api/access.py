"""Who asks: a program by its token, else a browser by the visitor's cookie, or staff that is logged in.

A token stands in `Authorization: Bearer kpk_...`. No browser sends one by itself, so a request with a token
needs no protection from other sites.
"""

from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja.security.base import AuthBase

from kopeck.abuse.budgets import Allowance, allowance_of
from kopeck.api.models import MARK, Scope, Token, hash_of
from kopeck.database import rows
from kopeck.errors import ShopError
from kopeck.orders import access
from kopeck.orders.models import Order
from kopeck.payments.inputs import Client
from kopeck.storefront.forms import base_url, client_of
from kopeck.web.origins import refuse_foreign
from kopeck.web.visitors import ShopRequest

FIND = f"SELECT {rows.columns(Token, 't')} FROM api_token AS t WHERE t.digest = %s"  # noqa: S608
_CACHED = "_kopeck_token"
#: Where the OpenAPI document says which scope a call needs.
SCOPE = "x-scope"


def token_of(request: HttpRequest) -> Token | None:
    """The token that the request brings; None where it brings none. ShopError 401 for one that is no good."""
    if not hasattr(request, _CACHED):
        setattr(request, _CACHED, _read(request.headers.get("Authorization")))
    found: Token | None = getattr(request, _CACHED)
    return found


def _read(header: str | None) -> Token | None:
    if header is None:
        return None
    scheme, _space, text = header.partition(" ")
    text = text.strip()
    found = rows.read(FIND, [hash_of(text)], Token) if scheme.lower() == "bearer" and _is_one(text) else []
    if not found:
        message = _("We do not know this token. Send one as “Authorization: Bearer kpk_…”.")
        raise ShopError("token_unknown", message, status=401)
    token: Token = found[0][0]
    if token.has_ended:
        message = _("This token has ended. Please ask the shop's owner for another one.")
        raise ShopError("token_ended", message, status=401)
    token.note_use()
    return token


def _is_one(text: str) -> bool:
    return text.startswith(MARK) and text.isascii() and len(text) <= 100


class May:
    """For what a browser may do with its own: a token needs the scope, and without one the cookie decides.

    Without a scope any good token will do, as nobody needs one.
    """

    def __init__(self, scope: Scope | None = None) -> None:
        self.scope = scope

    def __call__(self, request: HttpRequest) -> bool:
        token = token_of(request)
        if token is not None:
            _require(token, self.scope)
        elif request.method not in ("GET", "HEAD"):
            refuse_foreign(request)
        return True


class Bearer(AuthBase):
    """For what programs alone may do: a token with the scope."""

    openapi_type = "http"
    openapi_scheme = "bearer"

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        super().__init__()

    def __call__(self, request: HttpRequest) -> bool:
        token = token_of(request)
        if token is None:
            message = _("This needs a token. Send it as “Authorization: Bearer kpk_…”.")
            raise ShopError("token_needed", message, status=401)
        _require(token, self.scope)
        return True


def for_both(scope: Scope) -> dict[str, Any]:
    """What a route takes that is for browsers with their cookie, and for tokens with the scope."""
    return {"auth": May(scope), "openapi_extra": {"security": [{}, {"Bearer": []}], SCOPE: scope.value}}


def for_tokens(scope: Scope) -> dict[str, Any]:
    """The same for tokens alone."""
    return {"auth": Bearer(scope), "openapi_extra": {SCOPE: scope.value}}


def _require(token: Token, scope: Scope | None) -> None:
    if scope is not None and scope not in token.scopes:
        message = _("This token lacks the scope “%(scope)s”.") % {"scope": scope.value}
        raise ShopError("scope_missing", message, status=403)


# For whom the views act. Their scope was looked at before.


def readable_order(request: ShopRequest, order_id: int) -> Order:
    """The order for those who may read it; a token reads all of them. ShopError 404."""
    return access.readable_order(request, order_id) if token_of(request) is None else any_order(order_id)


def changeable_order(request: ShopRequest, order_id: int) -> Order:
    """The order for those who may change and pay it; a token may all of them. ShopError 404, 403."""
    return access.changeable_order(request, order_id) if token_of(request) is None else any_order(order_id)


def any_order(order_id: int) -> Order:
    """For a token. ShopError 404."""
    order = Order.objects.filter(pk=order_id).first()
    if order is None:
        raise ShopError("order_not_found", _("There is no such order."), status=404)
    return order


def allowance(request: ShopRequest) -> Allowance:
    """What may still be started: a program of the owner's own has no budget, everybody else has."""
    return allowance_of(request) if token_of(request) is None else Allowance()


def client_for(request: ShopRequest, order: Order) -> Client:
    """Who wants to pay: a program asks for a buyer whom it has shown the order.

    It holds pieces as a page does. All its buyers have one address, the program's own, so that each order
    counts as an address of its own (payments/stock.py).
    """
    if token_of(request) is None:
        return client_of(request)
    return Client(base_url=base_url(request), address=hash_of(f"order {order.pk}"), is_shown=True)
