"""How often a discount may be used: by orders that were paid, and by those that can be paid right now.

Called with the order's row locked; the discount's row is locked after it, everywhere in this order. So of
many buyers with the last code one gets a way to pay, and of two late payments one makes its order paid.
"""

from django.db.models import Q
from django.utils.translation import gettext as _

from kopeck.catalog.models import Discount
from kopeck.errors import ShopError
from kopeck.orders.models import Order
from kopeck.payments.models import Payment


def hold(order: Order) -> None:
    """Refuses (ShopError 409) a discount whose last use others have. From then on the use is this order's."""
    if is_used_up(order):
        message = _("This code has been used as often as it may be. Take it off to pay without it.")
        raise ShopError("discount_used_up", message, status=409)


def is_used_up(order: Order) -> bool:
    """Whether others have, or may pay for right now, every use of the order's discount."""
    if order.discount_id is None:
        return False
    discount = Discount.objects.select_for_update().get(pk=order.discount_id)
    if discount.max_redemptions is None:
        return False
    paid = Q(status__in=[*Order.WAS_PAID, Order.Status.PROCESSING])
    payable = Q(payments__status__in=Payment.LIVE)
    taken = Order.objects.filter(paid | payable, discount=discount).exclude(pk=order.pk).distinct().count()
    return taken >= discount.max_redemptions
