"""Refunds from the admin: once, and exactly; with trouble at Stripe in test_refund_trouble. (pain 18)"""

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.utils import timezone

from kopeck.catalog.models import Discount, Tax
from kopeck.orders.models import Order
from kopeck.refunds.models import Refund
from tests.support.buying import Deliver, events_of, paid_order, paid_order_of, state
from tests.support.refunding import Desk, at_stripe, fields
from tests.support.shop import ShopSandbox, make_item

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_whole_refund_gives_everything_back(
    sandbox: ShopSandbox, buyer: Client, owner: Client, deliver: Deliver
) -> None:
    order = paid_order(sandbox, buyer, deliver)
    page = Desk(owner, order).refund(reason="requested_by_customer", comment="too small")
    assert "The refund of $48.20 is on its way to the buyer." in page
    refund = Refund.objects.get()
    assert (refund.status, refund.amount, refund.source) == ("succeeded", 4820, "staff")
    assert (refund.requested_by, refund.comment) == ("owner", "too small")
    (made,) = sandbox.stripe.v1.refunds.list().data
    assert (made.id, made.amount, made.reason) == (refund.stripe_id, 4820, "requested_by_customer")
    assert state(order) == "refunded"
    assert order.paid_at is not None


def test_amounts_add_up_to_the_whole(
    sandbox: ShopSandbox, buyer: Client, owner: Client, deliver: Deliver
) -> None:
    order = paid_order(sandbox, buyer, deliver)
    desk = Desk(owner, order)
    desk.refund(what="amount", amount="8.20")
    assert state(order) == "partly_refunded"
    assert '<p>paid <time datetime="' in buyer.get(f"/order/{order.pk}").content.decode()
    desk.refund(what="amount", amount="30")
    assert state(order) == "partly_refunded"
    desk.refund()
    assert (state(order), at_stripe(sandbox)) == ("refunded", [820, 3000, 1000])
    assert "Everything has been refunded" not in desk.owner.get(f"/order/{order.pk}").content.decode()
    assert 'data-testid="refund"' not in owner.get(f"/admin/orders/order/{order.pk}/change/").content.decode()


def test_every_field_of_pieces_says_its_name(
    sandbox: ShopSandbox, buyer: Client, owner: Client, deliver: Deliver
) -> None:
    cup, pot = make_item(name='Cup "S" & saucer', price=1000), make_item(name="Pot", price=3333)
    order = paid_order_of(sandbox, buyer, deliver, {cup.pk: 3, pot.pk: 1})
    page = owner.get(Desk(owner, order).address).content.decode()
    names = ("Cup &quot;S&quot; &amp; saucer", "Pot")
    for line, name in zip(order.lines.order_by("pk"), names, strict=True):
        (field,) = re.findall(rf'<input[^>]*name="line_{line.pk}"[^>]*>', page)
        assert f'aria-label="Pieces of {name} to refund"' in field
    form = {"what": "lines", f"line_{order.lines.latest('pk').pk}": "7", **fields(page), "action": "preview"}
    assert "less than or equal to 1" in owner.post(Desk(owner, order).address, form).content.decode()


def test_chosen_pieces_go_back_with_their_share_of_discount_and_tax(
    sandbox: ShopSandbox, buyer: Client, owner: Client, deliver: Deliver
) -> None:
    """pain 17"""
    Tax.objects.create(display_name="VAT", percentage=19, inclusive=False, is_default=True)
    Discount.objects.create(name="Spring", code="SPRING", amount_off=500, currency="usd")
    cup, pot = make_item(name="Cup", price=1000), make_item(name="Pot", price=3333)
    order = paid_order_of(sandbox, buyer, deliver, {cup.pk: 3, pot.pk: 1}, "SPRING")
    assert order.discount_total == 500
    assert order.tax_total > 0
    cups, pots = order.lines.all()
    desk = Desk(owner, order)
    desk.refund(what="lines", **{f"line_{cups.pk}": "1"})
    (part,) = Refund.objects.get().parts
    assert (part.quantity, part.subtotal) == (1, 1000)
    assert part.discount == cups.discount_amount // 3
    assert part.tax == cups.tax_amount // 3
    assert at_stripe(sandbox) == [1000 - part.discount + part.tax]
    desk.refund(what="lines", **{f"line_{cups.pk}": "2", f"line_{pots.pk}": "1"})
    assert (state(order), sum(at_stripe(sandbox))) == ("refunded", order.total)
    given = [part for refund in Refund.objects.all() for part in refund.parts]
    assert sum(part.tax for part in given) == order.tax_total
    assert sum(part.discount for part in given) == order.discount_total


def test_a_refund_from_elsewhere_counts_against_the_pieces_that_are_left(
    sandbox: ShopSandbox, buyer: Client, owner: Client, deliver: Deliver
) -> None:
    """pain 17"""
    cup = make_item(name="Cup", price=1000)
    order = paid_order_of(sandbox, buyer, deliver, {cup.pk: 3})
    (charge,) = sandbox.charges()
    sandbox.stripe.v1.refunds.create({"charge": charge.id, "amount": 1001})
    for event in events_of(sandbox, "refund."):
        deliver(event)
    desk, line = Desk(owner, order), order.lines.get()
    desk.refund(what="lines", **{f"line_{line.pk}": "1"})
    desk.refund(what="lines", **{f"line_{line.pk}": "2"})
    assert (state(order), at_stripe(sandbox)) == ("refunded", [1001, 666, 1333])


def test_nothing_is_refunded_before_it_was_looked_at(
    sandbox: ShopSandbox, buyer: Client, owner: Client, deliver: Deliver
) -> None:
    order = paid_order(sandbox, buyer, deliver)
    desk = Desk(owner, order)
    form = desk.preview(what="amount", amount="1.00")
    page = desk.confirm({**form, "amount": "40.00"})
    assert fields(page)["previewed"] == "4000"
    assert at_stripe(sandbox) == []
    desk.confirm({**form, "amount": "40.00", "previewed": "4000"})
    assert at_stripe(sandbox) == [4000]


@pytest.mark.parametrize(
    ("chosen", "sentence"),
    [
        ({"what": "amount", "amount": "48.21"}, "more than what is left: 48.20 USD"),
        ({"what": "amount", "amount": "0"}, "This comes to nothing"),
        ({"what": "amount", "amount": "1.005"}, "at most 2 decimals"),
        ({"what": "amount", "amount": ""}, "How much?"),
        ({"what": "lines"}, "Choose how many pieces"),
        ({"what": "lines", "line": "2"}, "less than or equal to 1"),
        ({"what": "rest", "line": "1"}, "You gave pieces below."),
        ({"what": "amount", "amount": "1.00", "line": "1"}, "You gave pieces below."),
        ({"what": "rest", "amount": "1.00"}, "You gave another amount below."),
        ({"what": "lines", "line": "1", "amount": "1.00"}, "You gave another amount below."),
        ({"what": "everything"}, "not one of the available choices"),
        ({"what": "rest", "reason": "boredom"}, "not one of the available choices"),
    ],
)
def test_what_cannot_be_refunded_is_a_sentence(
    sandbox: ShopSandbox,
    buyer: Client,
    owner: Client,
    deliver: Deliver,
    chosen: dict[str, str],
    sentence: str,
) -> None:
    order = paid_order(sandbox, buyer, deliver)
    desk = Desk(owner, order)
    if "line" in chosen:
        chosen = {**chosen, f"line_{order.lines.get().pk}": chosen["line"]}
    hidden = fields(owner.get(desk.address).content.decode())
    answer = owner.post(desk.address, {**hidden, **chosen, "action": "refund", "previewed": "4820"})
    assert answer.status_code == 200
    assert sentence in answer.content.decode()
    assert Refund.objects.count() == 0


def test_the_amount_that_the_page_has_shown_is_no_other_amount(
    sandbox: ShopSandbox, buyer: Client, owner: Client, deliver: Deliver
) -> None:
    desk = Desk(owner, paid_order(sandbox, buyer, deliver))
    shown = desk.preview(what="rest", amount="48.20")
    Desk(owner, Order.objects.get()).refund(what="amount", amount="8.20")
    page = desk.confirm(shown)  # and it was all, a moment ago
    assert fields(page)["previewed"] == "4000"
    assert "You gave another amount" not in page
    assert at_stripe(sandbox) == [820]
    desk.refund(what="rest", amount=" 40.00 ")
    assert at_stripe(sandbox) == [820, 4000]


def test_yen_have_no_decimals_and_crowns_of_iceland_no_hundredths(
    sandbox: ShopSandbox, buyer: Client, owner: Client, deliver: Deliver
) -> None:
    order = paid_order(sandbox, buyer, deliver, price=680000, currency="isk")
    desk = Desk(owner, order)
    desk.refund(what="amount", amount="800")
    desk.refund()
    assert (state(order), at_stripe(sandbox)) == ("refunded", [80000, 600000])


def test_an_order_that_was_not_paid_has_nothing_to_refund(
    sandbox: ShopSandbox, buyer: Client, owner: Client
) -> None:
    buyer.get(f"/buy/{make_item().pk}")
    order = Order.objects.get()
    page = owner.get(Desk(owner, order).address, follow=True).content.decode()
    assert "no payment to refund" in page
    assert owner.get("/admin/orders/order/999/refund/").status_code == 404


def test_staff_without_the_permission_can_look_and_not_refund(
    sandbox: ShopSandbox, buyer: Client, deliver: Deliver
) -> None:
    order = paid_order(sandbox, buyer, deliver)
    clerk = User.objects.create_user("clerk", is_staff=True)
    clerk.user_permissions.add(Permission.objects.get(codename="view_order"))
    client = Client()
    client.force_login(clerk)
    page = client.get(f"/admin/orders/order/{order.pk}/change/")
    assert page.status_code == 200
    assert "/refund/" not in page.content.decode()
    assert client.get(f"/admin/orders/order/{order.pk}/refund/").status_code == 403
    assert buyer.get(f"/admin/orders/order/{order.pk}/refund/").status_code == 302
    clerk.user_permissions.add(Permission.objects.get(codename="add_refund"))
    Desk(client, order).refund()
    assert Refund.objects.get().requested_by == "clerk"


def test_two_staff_who_click_at_once_refund_once(
    sandbox: ShopSandbox, buyer: Client, owner: Client, deliver: Deliver
) -> None:
    """pain 18"""
    order = paid_order(sandbox, buyer, deliver)
    desks = [Desk(owner, order) for _ in range(6)]
    forms = [desk.preview(what="amount", amount="10.00") for desk in desks]
    start = threading.Barrier(len(desks))

    def click(numbered: tuple[Desk, dict[str, Any]]) -> str:
        desk, form = numbered
        client = Client(raise_request_exception=False)
        client.force_login(User.objects.get())
        start.wait()
        page = desk.confirm(form, client)
        connection.close()
        return page

    sandbox.control("PUT", "faults", {"latency_ms": 50})
    with ThreadPoolExecutor(len(desks)) as pool:
        pages = list(pool.map(click, zip(desks, forms, strict=True)))
    sandbox.control("PUT", "faults", {"latency_ms": 0})
    assert at_stripe(sandbox) == [1000]
    assert sum("is on its way to the buyer" in page for page in pages) == 1
    assert sum("refunded in the meantime" in page for page in pages) == len(desks) - 1


def test_one_form_sent_eight_times_at_once_refunds_once(
    sandbox: ShopSandbox, buyer: Client, owner: Client, deliver: Deliver
) -> None:
    """pain 18"""
    order = paid_order(sandbox, buyer, deliver)
    desk = Desk(owner, order)
    form = desk.preview(what="amount", amount="10.00")
    start = threading.Barrier(8)

    def click(_number: int) -> int:
        client = Client(raise_request_exception=False)
        client.force_login(User.objects.get())
        start.wait()
        status = client.post(desk.address, form).status_code
        connection.close()
        return status

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(click, range(8))) == {302}
    assert (at_stripe(sandbox), Refund.objects.count()) == ([1000], 1)
    assert desk.confirm(form)  # and once more, later
    assert at_stripe(sandbox) == [1000]


def test_the_buyer_sees_what_was_refunded_and_when(
    sandbox: ShopSandbox, buyer: Client, owner: Client, deliver: Deliver
) -> None:
    order = paid_order(sandbox, buyer, deliver)
    assert 'data-testid="refund"' not in buyer.get(f"/order/{order.pk}").content.decode()
    Desk(owner, order).refund(what="amount", amount="8.20", comment="a secret")
    page = buyer.get(f"/order/{order.pk}").content.decode()
    assert 'data-testid="refund"' in page
    assert "−$8.20" in page
    assert f"{timezone.now():%-d %B %Y}" in page
    assert "a secret" not in page
    assert "Partly refunded" in page


def test_the_orders_page_in_the_admin_lists_refunds_and_leads_to_more(
    sandbox: ShopSandbox, buyer: Client, owner: Client, deliver: Deliver
) -> None:
    order = paid_order(sandbox, buyer, deliver)
    change = f"/admin/orders/order/{order.pk}/change/"
    assert f"/admin/orders/order/{order.pk}/refund/" in owner.get(change).content.decode()
    Desk(owner, order).refund(what="amount", amount="8.20")
    page = owner.get(change).content.decode()
    assert "$8.20" in page
    assert "owner refunds 8.20 USD" in page
    refund = Refund.objects.get()
    assert owner.get(f"/admin/refunds/refund/{refund.pk}/change/").status_code == 200
    assert str(refund.stripe_id) in owner.get("/admin/refunds/refund/").content.decode()
    history = owner.get(f"/admin/orders/order/{order.pk}/history/").content.decode()
    assert "Refund" in history
    assert "8.20 USD" in history


def test_a_form_of_one_order_sent_for_another_refunds_nothing_and_says_so(
    sandbox: ShopSandbox, buyer: Client, stranger: Client, owner: Client, deliver: Deliver
) -> None:
    first, second = paid_order(sandbox, buyer, deliver), paid_order(sandbox, stranger, deliver)
    used, other = Desk(owner, first).preview(), Desk(owner, second)
    Desk(owner, first).confirm(used)
    page = other.confirm({**other.preview(), "key": used["key"]})
    assert "This form was used for another order" in page
    assert at_stripe(sandbox) == [4820]
    assert "48.20 USD" not in "".join(second.notes.values_list("text", flat=True))
    form = {**other.preview(), "key": fields(page)["key"]}
    assert form["key"] != used["key"]
    other.confirm(form)
    assert at_stripe(sandbox) == [4820, 4820]


def test_one_form_sent_for_two_orders_at_once_refunds_one_of_them(
    sandbox: ShopSandbox, buyer: Client, stranger: Client, owner: Client, deliver: Deliver
) -> None:
    orders = [paid_order(sandbox, buyer, deliver), paid_order(sandbox, stranger, deliver)]
    forms = [Desk(owner, order).preview() for order in orders]
    key = forms[0]["key"]
    start = threading.Barrier(2)

    def press(number: int) -> int:
        start.wait()
        address = Desk(owner, orders[number]).address
        status: int = owner.post(address, {**forms[number], "key": key}).status_code
        connection.close()
        return status

    with ThreadPoolExecutor(2) as pool:
        assert set(pool.map(press, range(2))) <= {200, 302}
    assert at_stripe(sandbox) == [4820]
