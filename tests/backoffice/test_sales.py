"""The list of orders as a seller reads it, what it finds, and what is done with several at once."""

import csv
import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from kopeck.backoffice import batches
from kopeck.mail.models import Mail
from kopeck.orders.models import Order, locked
from kopeck.orders.shipment import Shipment
from kopeck.payments.models import Payment
from kopeck.refunds.models import Dispute, Refund
from kopeck.staff.history import changes
from tests.support.buying import Deliver, events_of, paid_order
from tests.support.shop import ShopSandbox, make_rate

pytestmark = pytest.mark.django_db(transaction=True)
LIST = "/admin/orders/order/"
Buy = Callable[..., Order]


@pytest.fixture
def buy(sandbox: ShopSandbox, deliver: Deliver) -> Buy:
    """An order that was paid, by a buyer of its own each time."""

    def bought(card: str = "4242424242424242", **facts: Any) -> Order:
        return paid_order(sandbox, Client(), deliver, card, **facts)

    return bought


def shown(owner: Client, query: str = "") -> list[int]:
    answer = owner.get(LIST + query)
    assert answer.status_code == 200, answer
    return [row.pk for row in answer.context["cl"].result_list]


def act(client: Client, action: str, *orders: Order, **facts: str) -> Any:
    return client.post(
        LIST, {"action": action, "_selected_action": [order.pk for order in orders], "index": "0", **facts}
    )


def said(client: Client) -> str:
    return client.get(LIST).content.decode()


def test_sales_stand_apart_from_carts_and_each_chip_shows_its_own(
    owner: Client, buy: Buy, sandbox: ShopSandbox, deliver: Deliver
) -> None:
    make_rate()
    plain, parcel, sent, back = buy(), buy(shipped=True), buy(shipped=True), buy()
    Shipment.objects.filter(order=sent).update(sent_at=timezone.now())
    back.mark_refunded(back.total)
    disputed = buy("4000000000000259")
    for event in events_of(sandbox, "charge.dispute."):
        deliver(event)
    cart = Order.objects.create(currency="usd")
    assert shown(owner) == [disputed.pk, back.pk, sent.pk, parcel.pk, plain.pk]
    for word, found in {
        "to_send": [parcel],
        "sent": [sent],
        "refunded": [back],
        "disputed": [disputed],
        "unpaid": [cart],
        "all": [cart, disputed, back, sent, parcel, plain],
    }.items():
        assert shown(owner, f"?show={word}") == [order.pk for order in found], word
    page = owner.get(LIST).content.decode()
    states = re.findall(r'<span class="state (\w+)">([^<]+)</span>', page)
    assert states == [
        ("bad", "disputed"), ("back", "refunded"), ("good", "sent"), ("wait", "to send"), ("good", "paid"),
    ]  # fmt: skip
    assert page.count("1 × ") == 5
    assert "buyer@example.com" in page


def test_what_was_refunded_before_it_was_sent_is_not_to_send_until_the_refund_fails(buy: Buy) -> None:
    make_rate()
    order = buy(shipped=True)
    order.mark_refunded(order.total)
    assert Shipment.objects.get().called_off
    order.mark_refunded(0)
    assert not Shipment.objects.get().called_off


def test_the_list_costs_no_statement_for_each_of_its_rows(
    owner: Client, django_assert_max_num_queries: Any
) -> None:
    for _number in range(5):
        Order.objects.create(currency="usd", status="paid", paid_at=timezone.now())
    with django_assert_max_num_queries(40) as few:
        shown(owner)
    for _number in range(20):
        Order.objects.create(currency="usd", status="paid", paid_at=timezone.now())
    with django_assert_max_num_queries(len(few)):
        assert len(shown(owner)) == 25


def test_one_search_finds_an_order_by_all_that_people_know_of_it(
    owner: Client, buy: Buy, sandbox: ShopSandbox, deliver: Deliver
) -> None:
    make_rate()
    order = buy(shipped=True, name="Moka pot, three cups")
    Shipment.objects.filter(order=order).update(name="Anna Petrova", number="JD0142")
    other = buy("5555555555554444", name="Desk lamp")
    payment = Payment.objects.get(order=order, status="paid")
    Refund.objects.create(
        order=order, payment=payment, account="default", stripe_id="re_77", status="succeeded", amount=1,
        currency="usd", source="staff",
    )  # fmt: skip
    Dispute.objects.create(
        order=order, payment=payment, account="default", stripe_id="du_9", status="won", amount=1,
        currency="usd", opened=timezone.now(), closed=timezone.now(), asked_at=timezone.now(),
    )  # fmt: skip
    assert payment.charge.startswith("ch_")
    assert payment.stripe_id is not None
    known = [
        str(order.pk), "anna", "Anna Petrova", "jd0142", "JD01", "4242", payment.stripe_id, "du_9",
        payment.payment_intent, payment.charge, "re_77", "moka", "pot,", "moka pot", "4242 anna",
    ]  # fmt: skip
    for words in known:
        assert shown(owner, f"?q={words}") == [order.pk], words
    assert shown(owner, "?q=buyer@") == [other.pk, order.pk]
    assert shown(owner, "?q=lamp") == [other.pk]
    for words in ("anna lamp", "Petrova", "oka", "9999", "ch_nobody"):
        assert shown(owner, f"?q={words}") == [], words


def test_a_search_looks_among_carts_too(owner: Client) -> None:
    cart = Order.objects.create(currency="usd", email="early@example.com")
    assert shown(owner) == []
    assert shown(owner, "?q=early@") == [cart.pk]


def test_several_are_marked_as_sent_with_their_numbers_and_each_buyer_gets_one_mail(
    owner: Client, buy: Buy
) -> None:
    make_rate()
    first, second, without = buy(shipped=True), buy(shipped=True), buy()
    asked = act(owner, "mark_sent", first, second, without)
    assert asked.status_code == 200
    assert f'name="order-{first.pk}-number"' in asked.content.decode()
    assert f"order-{without.pk}-number" not in asked.content.decode()
    wrong = act(owner, "mark_sent", first, second, confirmed="yes", **{f"order-{first.pk}-link": "no link"})
    assert "Enter a valid URL" in wrong.content.decode()
    facts = {f"order-{first.pk}-carrier": "DHL", f"order-{first.pk}-number": "JD1", "confirmed": "yes"}
    assert act(owner, "mark_sent", first, second, **facts).status_code == 302
    assert "2 orders are marked as sent." in said(owner)
    assert [(one.carrier, one.sent_at is not None) for one in Shipment.objects.order_by("order_id")] == [
        ("DHL", True),
        ("", True),
    ]
    assert Mail.objects.filter(kind="sent").count() == 2
    act(owner, "mark_sent", first, second, **facts)
    assert "None of these orders is to be sent." in said(owner)
    assert Mail.objects.filter(kind="sent").count() == 2


def test_of_one_order_refund_leads_to_its_own_page(owner: Client, buy: Buy) -> None:
    order = buy()
    assert act(owner, "refund_orders", order)["Location"] == f"/admin/orders/order/{order.pk}/refund/"


def test_several_are_refunded_once_however_often_the_page_is_sent(
    owner: Client, buy: Buy, sandbox: ShopSandbox
) -> None:
    first, second = buy(), buy()
    page = act(owner, "refund_orders", first, second).content.decode()
    assert page.count("$48.20") == 2
    facts = dict(re.findall(r'name="((?:key|version)-\d+)" value="([^"]*)"', page))
    for _time in range(2):
        assert act(owner, "refund_orders", first, second, confirmed="yes", **facts).status_code == 302
    assert [(one.amount, one.requested_by) for one in Refund.objects.all()] == [(4820, "owner")] * 2
    assert set(Order.objects.values_list("status", flat=True)) == {"refunded"}
    assert "is on its way to the buyer" in said(owner)
    act(owner, "refund_orders", first, second)
    assert "There is nothing to refund." in said(owner)


def test_a_refund_of_several_says_for_each_what_went_wrong(
    owner: Client, buy: Buy, sandbox: ShopSandbox
) -> None:
    first, second = buy(), buy()
    page = act(owner, "refund_orders", first, second).content.decode()
    facts = dict(re.findall(r'name="((?:key|version)-\d+)" value="([^"]*)"', page))
    facts[f"version-{first.pk}"] = "0-1"
    act(owner, "refund_orders", first, second, confirmed="yes", **facts)
    assert f"Order {first.pk}: Something was refunded in the meantime." in said(owner)
    assert [one.order_id for one in Refund.objects.all()] == [second.pk]


def test_a_receipt_is_sent_again_as_a_mail_of_its_own(owner: Client, buy: Buy) -> None:
    order = buy()
    mail = Mail.objects.get(order=order, kind="receipt")
    act(owner, "resend_receipts", order)
    mail.refresh_from_db()
    assert mail.status == "waiting"
    assert "0 receipts are sent again." in said(owner)
    key = mail.key
    Mail.objects.update(status="sent", sent_at=timezone.now(), text="Thank you")
    act(owner, "resend_receipts", order)
    mail.refresh_from_db()
    assert (mail.status, mail.sent_at, mail.text) == ("waiting", None, "Thank you")
    assert mail.key != key
    assert "1 receipt is sent again." in said(owner)
    assert order.notes.filter(text="owner sends the receipt again.").count() == 1


def test_who_sends_a_receipt_again_waits_for_the_order_before_its_mails(owner: Client, buy: Buy) -> None:
    """Who removes a buyer's data locks the order, then its mails: the other way round both would wait."""
    order, begun = buy(), threading.Event()
    Mail.objects.update(status="sent", sent_at=timezone.now())

    def remove() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            locked(order.pk)
            begun.set()
            until = time.monotonic() + 20
            while time.monotonic() < until:
                cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
                if cursor.fetchone() != (0,):
                    break
            list(Mail.objects.select_for_update(nowait=True).filter(order=order))
        connection.close()

    with ThreadPoolExecutor(1) as pool:
        removed = pool.submit(remove)
        assert begun.wait(20)
        act(owner, "resend_receipts", order)
        removed.result()
    assert "1 receipt is sent again." in said(owner)


def test_the_export_has_a_row_for_each_order_and_no_formula(owner: Client, buy: Buy) -> None:
    order = buy(name="=HYPERLINK(1)")
    Order.objects.update(email="+buyer@example.com")
    answer = act(owner, "export_orders", order)
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    (row,) = csv.DictReader(StringIO(text))
    assert (row["order"], row["total"], row["currency"]) == (str(order.pk), "48.20", "usd")
    assert row["email"] == "'+buyer@example.com"
    assert row["items"] == "1 × =HYPERLINK(1)"


def test_the_export_has_the_days_of_the_shop(owner: Client, buy: Buy, settings: Any) -> None:
    settings.TIME_ZONE = "Pacific/Auckland"
    order = buy()
    Order.objects.update(paid_at=datetime(2026, 11, 30, 11, 30, tzinfo=UTC))
    answer = act(owner, "export_orders", order)
    with timezone.override("Pacific/Auckland"):
        (row,) = csv.DictReader(StringIO(b"".join(answer.streaming_content).decode("utf-8-sig")))
    assert row["paid"] == "2026-12-01T00:30:00+13:00"


def test_an_export_of_too_many_says_so_and_leaves_none_out(
    owner: Client, buy: Buy, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = [buy(), buy()]
    monkeypatch.setattr(batches, "MOST_EXPORTED", 1)
    assert act(owner, "export_orders", *orders).status_code == 302
    assert "This is done for 1 orders at most. Please choose fewer." in said(owner)
    assert act(owner, "export_orders", orders[0]).status_code == 200


def test_what_is_done_with_several_is_in_the_history_of_each(owner: Client, buy: Buy) -> None:
    make_rate()
    first, second = buy(shipped=True), buy(shipped=True)
    act(owner, "mark_sent", first, second, confirmed="yes")
    Mail.objects.update(status="sent", sent_at=timezone.now())
    act(owner, "resend_receipts", first, second)
    page = act(owner, "refund_orders", first, second).content.decode()
    facts = dict(re.findall(r'name="((?:key|version)-\d+)" value="([^"]*)"', page))
    for _time in range(2):
        act(owner, "refund_orders", first, second, confirmed="yes", **facts)
    for order in (first, second):
        entries = LogEntry.objects.filter(object_id=str(order.pk)).order_by("pk")
        told = [(one.user.get_username(), changes(one)[0]) for one in entries]
        assert [(by, did.said, did.after) for by, did in told] == [
            ("owner", "Marked as sent.", ""),
            ("owner", "Sent the receipt again.", ""),
            ("owner", "Refund", "53.10 USD"),
        ]


def test_who_may_only_look_is_offered_no_more_than_the_export(buy: Buy) -> None:
    order = buy()
    reader = User.objects.create_user("reader", is_staff=True)
    reader.user_permissions.add(Permission.objects.get(codename="view_order"))
    client = Client()
    client.force_login(reader)
    page = client.get(LIST).content.decode()
    assert re.findall(r'<option value="(\w+)">', page) == ["export_orders"]
    for action in ("mark_sent", "refund_orders", "resend_receipts"):
        act(client, action, order, confirmed="yes")
    assert not Refund.objects.exists()
    assert Mail.objects.get().status == "waiting"


def test_the_order_says_disputed_with_the_deadline_and_leads_to_the_form(
    owner: Client, buy: Buy, sandbox: ShopSandbox, deliver: Deliver, settings: Any
) -> None:
    order = buy("4000000000000259")
    for event in events_of(sandbox, "charge.dispute."):
        deliver(event)
    Dispute.objects.update(due_by=timezone.now() + timedelta(days=3, minutes=5))
    address = f"{LIST}{order.pk}/change/"
    page = owner.get(address).content.decode()
    assert '<span class="state bad">Disputed</span>' in page
    assert "3\xa0days left" in page
    assert f'href="{settings.SANDBOX_URL}/"' in page
    settings.STRIPE_SANDBOX = False
    dispute = Dispute.objects.get()
    page = owner.get(address).content.decode()
    assert f"https://dashboard.stripe.com/test/disputes/{dispute.stripe_id}" in page
    Dispute.objects.update(status="won", closed=timezone.now())
    page = owner.get(address).content.decode()
    assert 'data-testid="dispute"' not in page
    assert '<span class="state good">Paid</span>' in page
