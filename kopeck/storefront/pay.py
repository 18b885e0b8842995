"""Every way to pay an item or an order, and the way back from Stripe.

`buy` leads to Checkout (a session), `intent` is for Stripe's Payment Element on our own page.
"""

import logging

from django.conf import settings
from django.http import HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from kopeck.abuse.budgets import Allowance, allowance_of
from kopeck.errors import ShopError
from kopeck.orders import placing
from kopeck.orders.access import changeable_order, key_in, readable_order
from kopeck.orders.models import Order
from kopeck.orders.wanted import Wanted
from kopeck.payments import attempts, checkout, sync
from kopeck.payments.models import Payment
from kopeck.payments.refusals import PriceChanged, currency_not_accepted, not_payable, told_to_the_buyer
from kopeck.storefront import questions
from kopeck.storefront.forms import base_url, client_of, shown_price, wanted_item
from kopeck.stripe_api.accounts import Account
from kopeck.stripe_api.client import StripeRefused, StripeUnavailable
from kopeck.typed import whole_number
from kopeck.web.errors import error_response, wants_json
from kopeck.web.middleware import read_only
from kopeck.web.origins import asked_here, is_foreign, keeps_no_cookies, known_first
from kopeck.web.visitors import ShopRequest

log = logging.getLogger(__name__)
#: Refusals that the item's and the order's own pages explain.
SHORT = ("sold_out", "not_enough_stock")
EXPLAINED = ("price_changed", "no_delivery", *SHORT)


@asked_here
@require_http_methods(["GET", "POST"])
@known_first
def buy(request: ShopRequest, item_id: int) -> HttpResponse:
    """GET /buy/{id}: the session as JSON. POST: 303 to its page. `quantity` 1 to 99.

    `price` (minor units) and `currency`: what the page showed; more than that is 409 `price_changed`.

    GET creates, because that is the contract; it is safe to repeat: the same visitor gets the same session.
    """
    wanted, shown = wanted_item(request, item_id), shown_price(request)
    client = client_of(request, places_order=True)
    try:
        if request.method == "POST" and settings.PAYMENT_FLOW == "intent":
            order = checkout.order_for(wanted, client, shown=shown)
            key = f"?key={order.key}" if keeps_no_cookies(request) else ""
            return HttpResponseRedirect(f"{order.get_absolute_url()}/pay{key}", status=303)
        return _to_checkout(request, checkout.buy(wanted, client, shown=shown))
    except ShopError as refusal:
        return _led_to(request, refusal, _page_that_explains(refusal, wanted, client.visitor))


def _led_to(request: ShopRequest, refusal: ShopError, page: str) -> HttpResponse:
    """A form is led to the page that explains the refusal; a program, and our script, is told its address."""
    if request.method == "POST" and not wants_json(request):
        return HttpResponseRedirect(page, status=303)
    answer = error_response(request, refusal)
    answer["Location"] = page
    return answer


def _page_that_explains(refusal: ShopError, wanted: Wanted, visitor: str) -> str:
    """The address of the page that shows what is left, what it costs now, or where it can be delivered to.

    Raises other refusals again.
    """
    if refusal.code == "no_delivery" and (order := placing.open_of_buy(wanted.item, visitor)):
        return f"{order.get_absolute_url()}?notice={refusal.code}#delivery"
    if isinstance(refusal, PriceChanged) and refusal.order_id:
        return f"{reverse('order', args=[refusal.order_id])}?notice={refusal.code}"
    address = f"{reverse('item', args=[wanted.item.pk])}?quantity={wanted.quantity}"
    if refusal.code in SHORT:
        return address
    if refusal.code in EXPLAINED:
        return f"{address}&notice={refusal.code}"
    raise refusal


@asked_here
@require_http_methods(["GET", "POST"])
def buy_order(request: ShopRequest, order_id: int) -> HttpResponse:
    """GET /order/{id}/buy, POST: as `buy`, for a whole order."""
    order = changeable_order(request, order_id)
    try:
        payment = attempts.start(order.pk, client_of(request))
    except ShopError as refusal:
        if refusal.code not in EXPLAINED:
            raise
        key = key_in(request, order)
        place = "#delivery" if refusal.code == "no_delivery" else ""
        shown = f"?notice={refusal.code}{f'&key={key}' if key else ''}{place}"
        return _led_to(request, refusal, f"{order.get_absolute_url()}{shown}")
    return _to_checkout(request, payment)


def _to_checkout(request: ShopRequest, payment: Payment) -> HttpResponse:
    session = session_of(payment)
    if request.method == "POST":
        return _kept_nowhere(HttpResponseRedirect(payment.url, status=303))
    return _kept_nowhere(JsonResponse(session))


def session_of(payment: Payment) -> dict[str, str]:
    """What a program, and our script, is told of an open session. ShopError 422."""
    publishable_key = _account_of(payment).publishable_key
    return {"session_id": payment.stripe_id or "", "url": payment.url, "publishable_key": publishable_key}


def _account_of(payment: Payment) -> Account:
    account = settings.STRIPE_ACCOUNTS.get(payment.account)
    if account is None:  # its keys were taken away while the session was open
        raise currency_not_accepted(payment.currency)
    return account


def _kept_nowhere(answer: HttpResponse) -> HttpResponse:
    answer["Cache-Control"] = "no-store"
    answer["X-Robots-Tag"] = "noindex"
    return answer


@asked_here
@require_http_methods(["GET"])
@known_first
def intent(request: ShopRequest, item_id: int) -> HttpResponse:
    """GET /intent/{id}: an item's PaymentIntent as JSON. `quantity`, `price`, `currency`: see `buy`."""
    wanted, shown = wanted_item(request, item_id), shown_price(request)
    client = client_of(request, places_order=True)
    payment = checkout.buy(wanted, client, kind=Payment.Kind.INTENT, shown=shown)
    return _kept_nowhere(JsonResponse(intent_of(payment, allowance_of(request))))


@asked_here
@require_http_methods(["GET"])
def order_intent(request: ShopRequest, order_id: int) -> HttpResponse:
    """GET /order/{id}/intent: as `intent`, for a whole order; `price` is its total as the page showed it."""
    order, shown = changeable_order(request, order_id), shown_price(request)
    payment = attempts.start(order.pk, client_of(request), Payment.Kind.INTENT)
    # No page of Stripe's shows the total: one that another tab has changed is not paid from this one.
    if shown is not None and not shown.covers(payment.amount, payment.currency):
        raise PriceChanged(order.pk)
    return _kept_nowhere(JsonResponse(intent_of(payment, allowance_of(request))))


def intent_of(payment: Payment, allowance: Allowance) -> dict[str, str]:
    """What a program, and our script, is told of an open intent. ShopError 422, 429, 502, 503."""
    publishable_key = _account_of(payment).publishable_key
    with told_to_the_buyer():
        secret = questions.client_secret(payment, allowance)
    names = {"payment_intent_id": payment.stripe_id or "", "client_secret": secret}
    return {**names, "publishable_key": publishable_key}


@read_only
def pay_page(request: ShopRequest, order_id: int) -> HttpResponse:
    """GET /order/{id}/pay: the order and Stripe's Payment Element beside it."""
    order = changeable_order(request, order_id)
    if is_foreign(request):
        # This page's script asks for an intent by itself, and that closes a session which is being paid.
        page = order.link if key_in(request, order) else order.get_absolute_url()
        return HttpResponseRedirect(page, status=303)
    if order.status not in Order.PAYABLE:
        raise not_payable()
    key = request.GET.get("key", "")
    context = {
        "order": order,
        "lines": order.lines.all(),
        "order_taxes": order.taxes.all(),
        "refunds": order.refunds.all(),
        "order_key": key,
        "return_url": f"{base_url(request)}/order/{order.pk}/return?key={order.key}",
    }
    response = render(request, "pay.html", context)
    response["Cache-Control"] = "private, no-store"
    response["X-Robots-Tag"] = "noindex"
    return response


@read_only
def come_back(request: ShopRequest, order_id: int) -> HttpResponse:
    """GET /order/{id}/return, from Checkout: asks Stripe, unless it was just asked; leads to the order."""
    order = readable_order(request, order_id)
    payments = order.payments.exclude(stripe_id=None)
    asked = request.GET.get("session_id") or request.GET.get("payment_intent", "")
    payment = next((one for one in payments if one.stripe_id == asked), None) or payments.first()
    if payment is not None and payment.is_live and questions.may_ask(payment, allowance_of(request)):
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
