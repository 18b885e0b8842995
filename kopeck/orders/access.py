"""Who may read an order, and who may change, cancel or pay it: the same on pages, in lists and in the API.

A buyer may do all of it: the browser that made the order (its cookie), and anybody with the order's link.
Staff may do what the admin grants them: "Can view order" reads, "Can change order" reads and changes.
A log-in that lacks its second factor is nobody's by the time a view asks (kopeck/staff/middleware.py).
"""

from django.core import signing
from django.http import HttpRequest
from django.utils.translation import gettext as _

from kopeck.errors import ShopError
from kopeck.orders.models import Order

#: Seconds that the link of a mail to all orders of its address is good for.
LINK_AGE = 90 * 86_400
_OF_ADDRESS = "kopeck.orders.of-address"


def reads_all_orders(request: HttpRequest) -> bool:
    """Whether this is staff that may view every order. As in the admin, who may change may look."""
    return changes_all_orders(request) or _is_granted(request, "orders.view_order")


def changes_all_orders(request: HttpRequest) -> bool:
    """Whether this is staff that may change every order."""
    return _is_granted(request, "orders.change_order")


def _is_granted(request: HttpRequest, permission: str) -> bool:
    # As the admin's own log-in: a permission counts for active staff only.
    return bool(request.user.is_staff and request.user.has_perm(permission))


def readable_order(request: HttpRequest, order_id: int) -> Order:
    """The order, or ShopError 404 for those who may not read it: strangers do not learn that it exists."""
    order = Order.objects.filter(pk=order_id).first()
    # Staff last: asking who is logged in reads the session from the database.
    if order is None or not (_is_buyers(request, order) or reads_all_orders(request)):
        raise ShopError("order_not_found", _("There is no such order, or it is not yours."), status=404)
    return order


def changeable_order(request: HttpRequest, order_id: int) -> Order:
    """The order for those who may change and pay it; ShopError 404 as above, 403 for mere readers."""
    order = readable_order(request, order_id)
    if not may_change(request, order):
        message = _("You may look at this order, but not change it or pay for it.")
        raise ShopError("read_only", message, status=403)
    return order


def may_change(request: HttpRequest, order: Order) -> bool:
    """Whether who may read this order may change and pay it too."""
    return _is_buyers(request, order) or changes_all_orders(request)


def key_in(request: HttpRequest, order: Order) -> str:
    """The order's key where the request holds it, else "": nobody is handed a key that they did not bring."""
    given = request.GET.get("key", "") or request.POST.get("key", "")
    return order.key if order.has_key(given) else ""


def orders_link(address: str) -> str:
    """Where the reader of this e-mail address's mails finds all its orders, in any browser."""
    return f"/orders?key={signing.dumps(address, salt=_OF_ADDRESS)}"


def address_in(key: str) -> str:
    """The e-mail address of such a link; ShopError 404 where it is forged or too old."""
    try:
        return str(signing.loads(key, salt=_OF_ADDRESS, max_age=LINK_AGE))
    except signing.BadSignature:
        message = _("This link is not valid any more. Your latest mail from us has a newer one.")
        raise ShopError("link_expired", message, status=404) from None


def _is_buyers(request: HttpRequest, order: Order) -> bool:
    visitor: str = request.visitor.known_key  # type: ignore[attr-defined]
    return order.is_of(visitor) or bool(key_in(request, order))
