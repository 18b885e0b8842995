"""Buy, the way back from Checkout, and Stripe's webhooks."""

import logging
from typing import Any

from django.conf import settings
from django.http import HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from kopeck.abuse.budgets import client_of
from kopeck.errors import ShopError
from kopeck.money import CURRENCIES
from kopeck.orders.access import changeable_order, key_in, readable_order
from kopeck.orders.wanted import MAX_QUANTITY, Price, Wanted
from kopeck.payments import attempts, checkout, questions, refusals, sync
from kopeck.payments.inputs import site_of
from kopeck.payments.models import Payment
from kopeck.storefront.goods import item_on_sale
from kopeck.stripe_api.client import StripeRefused, StripeUnavailable
from kopeck.typed import read_number, whole_number
from kopeck.web.errors import error_response, wants_json
from kopeck.web.middleware import read_only
from kopeck.web.origins import asked_here, keeps_no_cookies, known_first
from kopeck.web.visitors import ShopRequest

log = logging.getLogger(__name__)
#: Refusals that the item's and the order's own pages explain.
SHORT = ("sold_out", "not_enough_stock")


@asked_here
@require_http_methods(["GET", "POST"])
@known_first
def buy(request: ShopRequest, item_id: int) -> HttpResponse:
    """GET /buy/{id}: the session as JSON. POST: 303 to its page. `quantity` 1 to 99.

    `price` (minor units) and `currency`: what the page showed; more than that is 409 `price_changed`.

    GET creates, because that is the contract; it is safe to repeat: the same visitor gets the same session.
    """
    wanted = Wanted(item_on_sale(item_id), asked_quantity(request))
    asked: dict[str, Any] = {
        "visitor": request.visitor.key,
        "site": site_of(request),
        "shown": shown_price(request),
    }
    try:
        if request.method == "POST" and settings.PAYMENT_FLOW == "intent":
            order = checkout.order_for(wanted, **asked)
            key = f"?key={order.key}" if keeps_no_cookies(request) else ""
            return HttpResponseRedirect(f"{order.get_absolute_url()}/pay{key}", status=303)
        return _to_checkout(request, checkout.buy(wanted, **asked))
    except ShopError as refusal:
        return _led_to(request, refusal, _page_that_explains(refusal, wanted))


def _led_to(request: ShopRequest, refusal: ShopError, page: str) -> HttpResponse:
    """A form is led to the page that explains the refusal; a program, and our script, is told its address."""
    if request.method == "POST" and not wants_json(request):
        return HttpResponseRedirect(page, status=303)
    answer = error_response(request, refusal)
    answer["Location"] = page
    return answer


def _page_that_explains(refusal: ShopError, wanted: Wanted) -> str:
    """The address of the page that shows what is left, or what it costs now. Raises other refusals again."""
    if isinstance(refusal, refusals.PriceChanged) and refusal.order_id:
        return f"{reverse('order', args=[refusal.order_id])}?notice={refusal.code}"
    address = f"{reverse('item', args=[wanted.item.pk])}?quantity={wanted.quantity}"
    if refusal.code in SHORT:
        return address
    if isinstance(refusal, refusals.PriceChanged):
        return f"{address}&notice={refusal.code}"
    raise refusal


@asked_here
@require_http_methods(["GET", "POST"])
def buy_order(request: ShopRequest, order_id: int) -> HttpResponse:
    """GET /order/{id}/buy, POST: as `buy`, for a whole order."""
    order = changeable_order(request, order_id)
    try:
        payment = attempts.start(order.pk, site_of(request))
    except ShopError as refusal:
        if refusal.code not in ("price_changed", *SHORT):
            raise
        key = key_in(request, order)
        shown = f"?notice={refusal.code}{f'&key={key}' if key else ''}"
        return _led_to(request, refusal, f"{order.get_absolute_url()}{shown}")
    return _to_checkout(request, payment)


def _to_checkout(request: ShopRequest, payment: Payment) -> HttpResponse:
    account = settings.STRIPE_ACCOUNTS.get(payment.account)
    if account is None:  # its keys were taken away while the session was open
        raise refusals.currency_not_accepted(payment.currency)
    answer: HttpResponse
    if request.method == "POST":
        answer = HttpResponseRedirect(payment.url, status=303)
    else:
        publishable_key = account.publishable_key
        answer = JsonResponse(
            {"session_id": payment.stripe_id, "url": payment.url, "publishable_key": publishable_key}
        )
    answer["Cache-Control"] = "no-store"
    answer["X-Robots-Tag"] = "noindex"
    return answer


def shown_price(request: ShopRequest) -> Price | None:
    """What the buyer has seen: `price` in minor units, and its `currency`. None for a program."""
    asked = request.POST if request.method == "POST" else request.GET
    price, currency = asked.get("price", ""), asked.get("currency", "")
    if not price and not currency:
        return None
    amount = whole_number(price, 15)
    if amount is None or currency not in CURRENCIES:
        message = _(
            "Give the price that was shown in minor units, and its currency: price=4820&currency=usd."
        )
        raise ShopError("bad_price", message, status=422)
    return Price(amount, currency)


def asked_quantity(request: ShopRequest) -> int:
    asked = request.POST if request.method == "POST" else request.GET
    quantity = whole_number(read_number(asked.get("quantity", "1")), 2)
    if quantity is None or not 1 <= quantity <= MAX_QUANTITY:
        raise ShopError("bad_quantity", _("Please choose a quantity from 1 to 99."), status=422)
    return quantity


@read_only
def come_back(request: ShopRequest, order_id: int) -> HttpResponse:
    """GET /order/{id}/return, from Checkout: asks Stripe, unless it was just asked; leads to the order."""
    order = readable_order(request, order_id)
    payments = order.payments.exclude(stripe_id=None)
    asked = request.GET.get("session_id") or request.GET.get("payment_intent", "")
    payment = next((one for one in payments if one.stripe_id == asked), None) or payments.first()
    if payment is not None and payment.is_live and questions.may_ask(payment, client_of(request)):
        try:
            payment = sync.refresh(payment)
        except (StripeUnavailable, StripeRefused) as trouble:
            log.warning("order %s: not confirmed on return: %s", order.pk, trouble)
    known = order.is_of(request.visitor.known_key)
    address = order.link if key_in(request, order) and not known else order.get_absolute_url()
    if payment is not None and payment.is_live:
        tries = whole_number(request.GET.get("tries", ""), 2) or 0
        address += ("&" if "?" in address else "?") + f"confirming={tries + 1}"
    answer = HttpResponseRedirect(address, status=303)
    answer["Cache-Control"] = "no-store"
    return answer
