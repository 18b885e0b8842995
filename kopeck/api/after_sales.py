"""What comes after an order is paid: refunds, and marking it as sent."""

from typing import Any
from uuid import UUID, uuid5

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.db import transaction
from django.utils.translation import gettext as _
from ninja import Router
from ninja.decorators import decorate_view
from ninja.responses import Status

from kopeck.api.access import any_order, for_both, for_tokens, readable_order, token_of
from kopeck.api.models import Scope
from kopeck.api.once import by_itself, key_of, key_used, once
from kopeck.api.orders import ERRORS
from kopeck.api.schemas import DENIED, ErrorOut, OrderOut, RefundIn, RefundList, RefundOut, ShipmentIn
from kopeck.api.shown import show_order
from kopeck.errors import ShopError
from kopeck.orders.models import Order, locked
from kopeck.orders.shipment import Shipment, may_be_sent
from kopeck.refunds import request as refunds
from kopeck.refunds.models import Refund
from kopeck.refunds.views import explain
from kopeck.stripe_api.client import StripeRefused, StripeUnavailable
from kopeck.web.visitors import ShopRequest

router = Router(tags=["Refunds and shipments"])
_IS_WEB = URLValidator(["http", "https"])


def _by(request: ShopRequest) -> str:
    """Who did it, as the order's timeline says it."""
    token = token_of(request)
    return token.name if token else ""


def _show(refund: Refund) -> dict[str, Any]:
    return {**refund.summary(), "created": refund.created, "order": refund.order_id}


@router.get(
    "/orders/{int:order_id}/refunds",
    response={200: RefundList, **DENIED, 404: ErrorOut},
    summary="The refunds of an order",
    **for_both(Scope.ORDERS_READ),
)
def list_refunds(request: ShopRequest, order_id: int) -> dict[str, Any]:
    """For those who may read the order."""
    order = readable_order(request, order_id)
    return {"refunds": [_show(refund) for refund in order.refunds.select_related("payment", "order")]}


@router.post(
    "/orders/{int:order_id}/refunds",
    response={201: RefundOut, **ERRORS},
    summary="Refund an order, wholly or in part",
    **for_tokens(Scope.REFUNDS_WRITE),
)
@decorate_view(by_itself)
def make_refund(request: ShopRequest, order_id: int, body: RefundIn) -> Status[dict[str, Any]]:
    """Stripe is asked at once. Without an answer the refund is `creating`, and retried by itself."""
    order = any_order(order_id)
    wish = refunds.Wish(quantities=_pieces(order, body), amount=body.amount)
    form = refunds.Form(
        key=_key_of(request),
        version=refunds.left_of(order).version,
        by=_by(request),
        reason=body.reason,
        comment=body.comment.replace("\0", ""),
        restock=body.restock,
    )
    refund, is_new = refunds.request(order.pk, wish, form)
    if not is_new and not _is_for(refund, wish):
        raise key_used()
    try:
        if refund.status == Refund.Status.CREATING:
            # A repetition finds the row of a request that died: Stripe may have made it.
            refund = refunds.send(refund) if is_new else refunds.finish(refund)
    except StripeRefused as refusal:
        raise ShopError("refund_refused", explain(refusal), status=409) from refusal
    except StripeUnavailable:
        refund.refresh_from_db()
    if refund.status == Refund.Status.REFUSED:
        message = _("Stripe refused: %(said)s") % {"said": refund.problem}
        raise ShopError("refund_refused", message, status=409)
    return Status(201, _show(refund))


def _key_of(request: ShopRequest) -> UUID:
    """The key of the refund that this request asks for. What Stripe has refused it asks for anew."""
    key = key_of(request)
    while Refund.objects.filter(key=key, status=Refund.Status.REFUSED).exists():
        key = uuid5(key, "again")
    return key


def _is_for(refund: Refund, wish: refunds.Wish) -> bool:
    """Whether the refund is the one that is wished for. After a day no answer is kept that would tell."""
    if wish.quantities:
        return refund.pieces == wish.quantities
    return wish.amount in (None, refund.amount)


def _pieces(order: Order, body: RefundIn) -> dict[int, int]:
    """By the id of the line, which programs do not know."""
    lines = {line.item_number: line.pk for line in order.goods}
    found: dict[int, int] = {}
    for wanted in body.lines or ():
        if wanted.item not in lines:
            message = _("Item %(item)s is not in this order.") % {"item": wanted.item}
            raise ShopError("item_not_found", message, status=404)
        line = lines[wanted.item]
        found[line] = found.get(line, 0) + wanted.quantity
    return found


@router.post(
    "/orders/{int:order_id}/shipment",
    response={200: OrderOut, **ERRORS},
    summary="Mark an order as sent",
    **for_tokens(Scope.SHIPMENTS_WRITE),
)
@decorate_view(once)
def send_order(request: ShopRequest, order_id: int, body: ShipmentIn) -> dict[str, Any]:
    """The buyer gets one mail, with carrier, number and link."""
    _refuse_link(body.link)
    any_order(order_id)
    with transaction.atomic():
        order = locked(order_id)
        shipment = Shipment.objects.filter(order=order).first()
        if shipment is None:
            message = _("There is nothing to send: nothing of this order is delivered, or it is not paid.")
            raise ShopError("nothing_to_send", message, status=409)
        if shipment.sent_at is not None:
            raise ShopError("sent_before", _("This order was marked as sent before."), status=409)
        if not may_be_sent(order):
            message = _("This order is not paid (any more): send nothing.")
            raise ShopError("not_to_send", message, status=409)
        for name in ("carrier", "number", "link"):
            setattr(shipment, name, getattr(body, name).replace("\0", "").strip())
        shipment.order = order
        shipment.mark_sent(by=_by(request))
    return show_order(request, order)


def _refuse_link(link: str) -> None:
    try:
        if link:
            _IS_WEB(link)
    except ValidationError:
        message = _("link: This is no address of the web.")
        raise ShopError("invalid", message, status=422) from None
