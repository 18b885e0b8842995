"""The desk's first page: takings by the shop's days, what is to do for whom, and sums that agree."""

import os
import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings as shop_settings
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from kopeck.backoffice import takings
from kopeck.backoffice.models import Day, DayItem
from kopeck.catalog.models import Item
from kopeck.mail.models import Mail
from kopeck.mirror.models import StripeMirror
from kopeck.orders.lines import OrderLine
from kopeck.orders.models import Order
from kopeck.orders.shipment import Shipment
from kopeck.payments.models import Payment
from kopeck.reconcile.models import Discrepancy
from kopeck.refunds.models import Dispute, Refund
from kopeck.webhooks.models import StripeEvent
from tests.support.shop import make_item

pytestmark = pytest.mark.django_db(transaction=True)
#: A noon in the middle of a month.
NOON = datetime(2026, 5, 15, 12, tzinfo=UTC)


@pytest.fixture
def noon(monkeypatch: pytest.MonkeyPatch) -> datetime:
    monkeypatch.setattr(timezone, "now", lambda: NOON)
    return NOON


def sold(at: datetime, amount: int = 1000, currency: str = "usd", item: Item | None = None) -> Order:
    order = Order.objects.create(
        currency=currency, subtotal=amount, total=amount, status="paid", paid_at=at, email="b@example.com"
    )
    Order.objects.filter(pk=order.pk).update(created=at)
    if item:
        OrderLine.objects.create(
            order=order, item=item, name=item.name, unit_price=amount, quantity=1, total=amount
        )
    return order


def payment_of(order: Order, **facts: Any) -> Payment:
    usual = {
        "account": "default", "stripe_id": f"cs_{order.pk}", "amount": order.total, "attempt": 1,
        "currency": order.currency, "status": "paid", "paid_at": order.paid_at, "inputs": {},
        "fingerprint": "", "expires_at": NOON,
    }  # fmt: skip
    return Payment.objects.create(order=order, **{**usual, **facts})


def refunded(order: Order, amount: int, at: datetime, status: str = "succeeded") -> Refund:
    return Refund.objects.create(
        order=order, payment=payment_of(order), account="default", stripe_id=f"re_{order.pk}", status=status,
        amount=amount, currency=order.currency, source="staff", created=at,
    )  # fmt: skip


def shop_of_many_days(item: Item) -> None:
    """Sales at all hours of 80 days, every third refunded in part."""
    for number in range(160):
        at = NOON - timedelta(hours=12 * number + number % 11)
        order = sold(at, 100 + number, "eur" if number % 4 == 0 else "usd", item)
        if number % 3 == 0:
            refunded(order, 10, at + timedelta(hours=1), "failed" if number % 2 else "succeeded")
    Order.objects.create(currency="usd")


def everything() -> list[Any]:
    return [(takings.period(days), takings.best(days)) for days in (7, 30, 365)]


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Auckland", "America/Sao_Paulo"])
def test_summed_days_say_the_same_as_the_orders_themselves(noon: datetime, settings: Any, zone: str) -> None:
    settings.TIME_ZONE = zone
    with timezone.override(zone):
        shop_of_many_days(make_item())
        counted = everything()
        for upto in (60, 20, 0):  # the nights of a worker that was away for weeks
            Day.objects.filter(day__gte=NOON.date() - timedelta(days=upto)).delete()
            takings.sum_up()
            assert Day.objects.exists()
            assert everything() == counted
        assert Day.objects.latest("day").day < timezone.localdate()


def test_a_refund_that_fails_later_and_an_order_found_late_are_in_the_next_sums(noon: datetime) -> None:
    item = make_item()
    order = sold(NOON - timedelta(days=3), item=item)
    refund = refunded(order, 400, NOON - timedelta(days=2))
    takings.sum_up()
    assert takings.period(7).sums[0].refunded == 400
    Refund.objects.filter(pk=refund.pk).update(status="failed")
    sold(NOON - timedelta(days=4), 500, item=item)
    takings.sum_up()
    (sums,) = takings.period(7).sums
    assert (sums.amount, sums.refunded) == (1500, 0)
    assert takings.best(7)[0].pieces == 2


def test_the_refund_of_a_payment_that_paid_no_order_is_none_of_a_taking(noon: datetime) -> None:
    order = sold(NOON - timedelta(days=1))
    refund = refunded(order, 400, NOON)
    second = payment_of(order, attempt=2, stripe_id="cs_second", status="needs_review", paid_at=None)
    Refund.objects.create(
        order=order, payment=second, account="default", stripe_id="re_second", status="succeeded",
        amount=1000, currency="usd", source="shop", created=NOON - timedelta(days=2),
    )  # fmt: skip
    for _summed in range(2):
        (sums,) = takings.period(7).sums
        assert (sums.amount, sums.refunds, sums.refunded) == (1000, 1, refund.amount)
        takings.sum_up()


def test_the_period_before_is_as_long_and_no_longer(noon: datetime) -> None:
    for days, amount in ((0, 1), (6, 10), (7, 100), (13, 1000), (14, 10_000)):
        sold(NOON - timedelta(days=days), amount)
    for _summed in range(2):
        (sums,) = takings.period(7).sums
        assert (sums.amount, sums.orders, sums.amount_before) == (11, 2, 1100)
        takings.sum_up()


def test_the_shops_time_zone_decides_what_a_day_is(settings: Any, noon: datetime) -> None:
    settings.TIME_ZONE = "Asia/Tokyo"
    with timezone.override("Asia/Tokyo"):
        sold(datetime(2026, 5, 14, 14, 59, tzinfo=UTC))
        sold(datetime(2026, 5, 14, 15, 1, tzinfo=UTC), 7)
        (sums,) = takings.period(7).sums
    assert sums.by_day == {date(2026, 5, 14): 1000, date(2026, 5, 15): 7}


def test_the_sums_of_items_are_kept_for_five_weeks(noon: datetime) -> None:
    item = make_item()
    DayItem.objects.create(day=NOON - timedelta(days=38), item=item, currency="usd", pieces=1, amount=1)
    sold(NOON - timedelta(days=36), item=item)
    Day.objects.create(day=NOON - timedelta(days=1), currency="usd")
    takings.sum_up()
    assert [row.day for row in DayItem.objects.all()] == [(NOON - timedelta(days=36)).date()]


def text_of(client: Client, query: str = "") -> str:
    answer = client.get(f"/admin/{query}")
    assert answer.status_code == 200
    return answer.content.decode()


def test_home_shows_takings_by_currency_beside_the_period_before(owner: Client, noon: datetime) -> None:
    item = make_item(name="Moka pot")
    sold(NOON - timedelta(days=1), 5000, item=item)
    sold(NOON - timedelta(days=2), 2500, item=item)
    sold(NOON - timedelta(days=9), 5000)
    sold(NOON - timedelta(days=3), 900, "eur")
    Order.objects.create(currency="usd")
    page = text_of(owner, "?days=7")
    dollars = page.partition('data-currency="usd"')[2].partition("</article>")[0]
    assert "$75.00" in dollars
    assert "50% more than in the 7 days before ($50.00)." in dollars
    assert dollars.count("<rect") == 7
    assert sorted(re.findall(r'<rect [^>]*height="(\d+)"', dollars), key=int)[-2:] == ["36", "72"]
    assert dollars.count('<td class="n">') == 2
    assert "€9.00" in page
    assert "Nothing in the 7 days before." in page
    assert "2 pieces · $75.00" in page
    assert "75%" in page  # three of four orders that were begun
    assert text_of(owner, "?days=365").partition('data-currency="usd"')[2].count("<rect") >= 53
    assert 'href="?days=30" aria-current="true"' in text_of(owner, "?days=%00x")


def fill(now: datetime) -> dict[str, str]:
    """One of each thing that waits, and the sentence that tells of it."""
    item = make_item(name="Desk lamp", stock=2)
    order = sold(now - timedelta(days=2), item=item)
    payment = payment_of(order)
    held = payment_of(
        sold(now), status="needs_review", paid_at=None, stripe_id="cs_held", review_reason="amount"
    )
    Payment.objects.filter(pk=held.pk).update(created=now)
    Dispute.objects.create(
        order=order, payment=payment, account="default", stripe_id="du_1", status="needs_response", amount=1,
        currency="usd", opened=now, due_by=now + timedelta(days=5, minutes=1), asked_at=now,
    )  # fmt: skip
    Shipment.objects.create(order=order)
    Mail.objects.create(order=order, payment=payment, kind="receipt", status="failed")
    Mail.objects.update(created=now)
    StripeEvent.objects.create(
        account="default", event_id="evt_1", type="refund.created", status="failed", created=now
    )
    for kind in ("payment", "coupon"):
        Discrepancy.objects.create(
            code="missing", kind=kind, object_id="x", said="?", first_seen=now, last_seen=now
        )
    StripeMirror.objects.create(account="default", kind="coupon", object_id=1, problem="Stripe said no")
    return {
        "view_dispute": "disputes a payment and waits for your answer",
        "view_payment": "A payment needs your review",
        "view_shipment": "1 order is to be sent",
        "view_mail": "1 mail to a buyer could not be sent",
        "view_stripeevent": "could not be processed",
        "view_discrepancy": "differ in 1 thing",
        "view_stripemirror": "2 discounts or taxes are not at Stripe",
        "view_item": "“Desk lamp”: 2 pieces are left.",
    }


def todo_of(page: str) -> str:
    return page.partition('data-testid="todo"')[2].partition("</ul>")[0]


def test_what_is_to_do_stands_there_with_its_deadline_and_one_button_each(
    owner: Client,
) -> None:
    assert "Nothing waits for you." in todo_of(text_of(owner))
    sentences = fill(timezone.now())
    todo = todo_of(text_of(owner))
    for sentence in sentences.values():
        assert sentence in todo
    assert todo.count('<a class="button"') == todo.count("<li>") == len(sentences)
    assert "5\xa0days left" in todo
    for address in re.findall(r'class="button" href="([^"]*)"', todo):
        assert owner.get(address.replace("&amp;", "&")).status_code == 200, address


def test_everybody_sees_only_what_they_may(owner: Client, noon: datetime) -> None:
    sentences = fill(NOON)
    for right, sentence in sentences.items():
        clerk = User.objects.create_user(right, is_staff=True)
        clerk.user_permissions.add(Permission.objects.get(codename=right))
        client = Client()
        client.force_login(clerk)
        page = text_of(client)
        assert sentence in todo_of(page)
        assert todo_of(page).count("<li>") == 1
        assert "Takings" not in page
        assert "Latest sales" not in page
    reader = User.objects.create_user("reader", is_staff=True)
    reader.user_permissions.add(Permission.objects.get(codename="view_order"))
    client = Client()
    client.force_login(reader)
    assert "Latest sales" in text_of(client)


def test_a_stranger_is_asked_to_log_in(stranger: Client) -> None:
    answer = stranger.get("/admin/")
    assert (answer.status_code, answer["Location"]) == (302, "/admin/login/?next=/admin/")


def test_a_missing_and_an_old_backup_are_told_where_money_is_real(
    owner: Client, settings: Any, tmp_path: Any
) -> None:
    settings.DATA_DIR = tmp_path
    assert "backup" not in todo_of(text_of(owner))
    settings.STRIPE_SANDBOX = False
    assert "There is no backup yet." in todo_of(text_of(owner))
    mark = tmp_path / shop_settings.BACKED_UP
    mark.touch()
    assert "backup" not in todo_of(text_of(owner))
    old = timezone.now().timestamp() - 30 * 3600
    os.utime(mark, (old, old))
    assert "The last backup is old." in todo_of(text_of(owner))


def test_home_costs_no_statement_for_each_sale(owner: Client, django_assert_max_num_queries: Any) -> None:
    item = make_item()
    sold(timezone.now(), item=item)
    with django_assert_max_num_queries(40) as few:
        text_of(owner)
    for _number in range(20):
        sold(timezone.now(), item=item)
    with django_assert_max_num_queries(len(few)):
        text_of(owner)
