"""What the tests of refunds and disputes share: the owner's page of a refund, and what Stripe has."""

import re
from typing import Any

from django.test import Client

from kopeck.orders.models import Order
from kopeck.payments.models import Payment
from tests.support.buying import bought
from tests.support.comparing import run
from tests.support.shop import ShopSandbox


def fields(page: str) -> dict[str, str]:
    """The hidden fields of the refund's form."""
    names = ("key", "version", "previewed")
    found = {name: re.search(rf'name="{name}" value="([^"]*)"', page) for name in names}
    return {name: match[1] for name, match in found.items() if match}


class Desk:
    """The owner at the refund page of an order."""

    def __init__(self, owner: Client, order: Order) -> None:
        self.owner, self.address = owner, f"/admin/orders/order/{order.pk}/refund/"

    def preview(self, **chosen: Any) -> dict[str, Any]:
        """What the confirming form would send."""
        page = self.owner.get(self.address).content.decode()
        wanted = {"what": "rest", **chosen, **fields(page)}
        page = self.owner.post(self.address, {**wanted, "action": "preview"}).content.decode()
        assert "previewed" in fields(page), page
        return {**wanted, **fields(page), "action": "refund"}

    def confirm(self, form: dict[str, Any], client: Client | None = None) -> str:
        """Sends the form; the page it ends on."""
        return (client or self.owner).post(self.address, form, follow=True).content.decode()

    def refund(self, **chosen: Any) -> str:
        return self.confirm(self.preview(**chosen))


def in_review(sandbox: ShopSandbox, buyer: Client) -> Payment:
    """Stripe has taken 48.20; the row says 40.00."""
    payment = bought(buyer)
    Payment.objects.update(amount=4000)
    sandbox.pay(payment.stripe_id or "")
    run()
    payment.refresh_from_db()
    assert payment.status == "needs_review"
    return payment


def at_stripe(sandbox: ShopSandbox) -> list[int]:
    """The amounts of all refunds that Stripe has, oldest first."""
    return [refund.amount for refund in reversed(sandbox.stripe.v1.refunds.list({"limit": 100}).data)]
