"""Payment Intents, the other way to pay: on our own page, with Stripe's Payment Element."""

from django.conf import settings
from django.http import HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from kopeck.errors import ShopError
from kopeck.orders.access import changeable_order, key_in
from kopeck.orders.models import Order
from kopeck.orders.wanted import Wanted
from kopeck.payments import attempts, checkout, questions
from kopeck.payments.inputs import Site, site_of
from kopeck.payments.models import Payment
from kopeck.payments.refusals import PriceChanged, currency_not_accepted, told_to_the_buyer
from kopeck.storefront.buy import asked_quantity, shown_price
from kopeck.storefront.goods import item_on_sale
from kopeck.web.middleware import read_only
from kopeck.web.origins import asked_here, is_foreign, known_first
from kopeck.web.visitors import ShopRequest


@asked_here
@require_http_methods(["GET"])
@known_first
def intent(request: ShopRequest, item_id: int) -> HttpResponse:
    """GET /intent/{id}: an item's PaymentIntent as JSON. `quantity`, `price`, `currency`: see `buy`."""
    wanted = Wanted(item_on_sale(item_id), asked_quantity(request))
    site, visitor = site_of(request), request.visitor.key
    kind, shown = Payment.Kind.INTENT, shown_price(request)
    return _as_json(checkout.buy(wanted, visitor=visitor, site=site, kind=kind, shown=shown), site)


@asked_here
@require_http_methods(["GET"])
def order_intent(request: ShopRequest, order_id: int) -> HttpResponse:
    """GET /order/{id}/intent: as `intent`, for a whole order; `price` is its total as the page showed it."""
    order, shown = changeable_order(request, order_id), shown_price(request)
    site = site_of(request)
    payment = attempts.start(order.pk, site, Payment.Kind.INTENT)
    # No page of Stripe's shows the total: one that another tab has changed is not paid from this one.
    if shown is not None and not shown.covers(payment.amount, payment.currency):
        raise PriceChanged(order.pk)
    return _as_json(payment, site)


def _as_json(payment: Payment, site: Site) -> HttpResponse:
    account = settings.STRIPE_ACCOUNTS.get(payment.account)
    if account is None:
        raise currency_not_accepted(payment.currency)
    with told_to_the_buyer():
        secret = questions.client_secret(payment, site.client)
    answer = JsonResponse(
        {
            "payment_intent_id": payment.stripe_id,
            "client_secret": secret,
            "publishable_key": account.publishable_key,
        }
    )
    answer["Cache-Control"] = "no-store"
    answer["X-Robots-Tag"] = "noindex"
    return answer


@read_only
def pay_page(request: ShopRequest, order_id: int) -> HttpResponse:
    """GET /order/{id}/pay: the order and Stripe's Payment Element beside it."""
    order = changeable_order(request, order_id)
    if is_foreign(request):
        # This page's script asks for an intent by itself, and that closes a session which is being paid.
        page = order.link if key_in(request, order) else order.get_absolute_url()
        return HttpResponseRedirect(page, status=303)
    if order.status not in Order.PAYABLE:
        raise ShopError("not_payable", _("This order is not to be paid (any more)."), status=409)
    key = request.GET.get("key", "")
    context = {
        "order": order,
        "lines": order.lines.all(),
        "order_taxes": order.taxes.all(),
        "order_key": key,
        "return_url": f"{site_of(request).base}{order.get_absolute_url()}/return?key={order.key}",
    }
    response = render(request, "pay.html", context)
    response["Cache-Control"] = "private, no-store"
    response["X-Robots-Tag"] = "noindex"
    return response
