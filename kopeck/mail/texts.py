"""What mails say: plain text with its amounts in a column, and the same as simple HTML."""

from dataclasses import dataclass

from django.conf import settings
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import gettext as _

from kopeck.mail.models import Mail
from kopeck.money import format_money
from kopeck.orders.models import Order
from kopeck.orders.shipment import Shipment
from kopeck.web.context import money_locale

#: How wide the plain text is, in letters.
WIDTH = 60


@dataclass(frozen=True, slots=True)
class Row:
    """A label, and an amount as people write it."""

    label: str
    amount: str
    is_total: bool = False

    def __str__(self) -> str:
        """The row as text; a label that is too long has a line of its own."""
        room = WIDTH - len(self.amount)
        if len(self.label) < room:
            return f"{self.label:<{room}}{self.amount}"
        return f"{self.label}\n{self.amount:>{WIDTH}}"


def write(mail: Mail) -> None:
    """Gives the mail its words, in the language that the buyer had."""
    order, payment, refund = mail.order, mail.payment, mail.refund
    with translation.override(payment.language or settings.LANGUAGE_CODE):
        context = {
            "mail": mail,
            "order": order,
            "payment": payment,
            "refund": refund,
            "shipment": Shipment.objects.filter(order=order).first() if mail.kind == "sent" else None,
            "rows": rows(order),
            "rule": "-" * WIDTH,
            "shop_name": settings.SHOP_NAME,
            "seller": settings.SELLER,
            "seller_address": settings.SELLER_ADDRESS,
            "seller_tax_id": settings.SELLER_TAX_ID,
            "amount": shown(refund.amount, order) if refund else shown(payment.amount, order),
        }
        # One line, whatever the shop is called: a line break would begin another header.
        mail.subject = " ".join(_subject(mail, context["amount"]).split())[:250]
        mail.text = render_to_string(f"mail/{mail.kind}.txt", context).strip() + "\n"
        mail.html = render_to_string(f"mail/{mail.kind}.html", context)


def _subject(mail: Mail, amount: object) -> str:
    words = {"shop": settings.SHOP_NAME, "number": mail.order_id, "amount": amount}
    match mail.kind:
        case Mail.Kind.RECEIPT:
            return _("%(shop)s: order %(number)s is paid") % words
        case Mail.Kind.REFUND:
            return _("%(shop)s: refund of %(amount)s for order %(number)s") % words
        case Mail.Kind.SENT:
            return _("%(shop)s: order %(number)s is on its way") % words
    return _("%(shop)s: order %(number)s is sold out, we refund your payment") % words


def rows(order: Order) -> list[Row]:
    """The receipt: lines, discount, taxes, total."""
    found = [Row(str(line), shown(line.subtotal, order)) for line in order.lines.all()]
    if order.discount_name:
        found.append(Row(order.discount_name, f"−{shown(order.discount_total, order)}"))
    for tax in order.taxes.all():
        label = _("%(tax)s, included") if tax.inclusive else "%(tax)s"
        found.append(Row(label % {"tax": tax}, shown(tax.amount, order)))
    return [*found, Row(_("Total"), shown(order.total, order), is_total=True)]


def shown(amount: int, order: Order) -> str:
    """An amount of the order in minor units, as people write it."""
    return format_money(amount, order.currency, money_locale(None))
