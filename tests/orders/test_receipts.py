"""Receipts are numbered 1, 2, 3 ...: none is left out or given twice, though workers die and buyers hurry."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.core import mail as outgoing
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from kopeck import stopping
from kopeck.catalog.models import Tax
from kopeck.mail import jobs as mail_jobs
from kopeck.mail.models import Mail
from kopeck.orders import jobs, receipts
from kopeck.orders.models import Order, ReceiptCounter
from kopeck.refunds.sync import learn_payment
from tests.support.buying import paid_order, place_order, state
from tests.support.shop import ShopSandbox, make_item
from tests.support.worker import forget_jobs, work

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _empty_queue(db: None) -> None:
    forget_jobs()


class PowerCut(BaseException):
    """Nothing of the shop's catches it."""


def paid(count: int) -> None:
    """So many orders that are paid and have no number; the one made first was paid last."""
    now = timezone.now()
    made = [
        Order(
            currency="usd", status="paid", key=f"{number}-{now.timestamp()}", paid_at=now - timedelta(number)
        )
        for number in range(count)
    ]
    Order.objects.bulk_create(made)


def numbers() -> list[int]:
    """Those that were given, in the order of payment."""
    found = Order.objects.exclude(receipt=None).order_by("paid_at").values_list("receipt", flat=True)
    return [number for number in found if number is not None]


def last() -> int:
    return ReceiptCounter.objects.get().last


def test_who_paid_first_has_the_lower_number_and_who_has_not_paid_none() -> None:
    paid(5)
    Order.objects.create(currency="usd", key="open")
    jobs.number_receipts(0)
    assert (numbers(), last()) == ([1, 2, 3, 4, 5], 5)
    assert Order.objects.get(key="open").receipt is None
    paid(2)
    jobs.number_receipts(0)
    jobs.number_receipts(0)
    assert (sorted(numbers()), last()) == ([1, 2, 3, 4, 5, 6, 7], 7)


def test_more_than_a_batch_is_numbered_by_one_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receipts, "BATCH", 3)
    paid(8)
    jobs.number_receipts(0)
    assert (numbers(), last()) == (list(range(1, 9)), 8)


def test_a_run_that_is_asked_to_stop_ends_between_two_batches_and_the_next_tells_all_that_it_gave(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def stop() -> None:
        raise stopping.Stopping

    monkeypatch.setattr(receipts, "BATCH", 3)
    paid(8)
    with monkeypatch.context() as patch:
        patch.setattr(stopping, "check", stop)
        with pytest.raises(stopping.Stopping):
            receipts.number_all()
    assert (numbers(), last()) == ([1, 2, 3], 3)
    given = receipts.number_all()
    assert sorted(given.values()) == [4, 5, 6, 7, 8]
    assert given == {order.pk: order.receipt for order in Order.objects.filter(receipt__gt=3)}


@contextmanager
def power_cuts(every: int) -> Iterator[None]:
    """Of this connection's transactions that give numbers, each `every`th dies after it has written them."""
    done = 0

    def cut(execute: Any, sql: str, *words: Any) -> Any:
        nonlocal done
        answer = execute(sql, *words)
        if sql == receipts._GIVE:
            done += 1
            if done % every == 0:
                raise PowerCut
        return answer

    with connection.execute_wrapper(cut):
        yield


def test_many_workers_that_die_half_way_leave_no_gap_and_no_double(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receipts, "BATCH", 2)

    def work_on(_worker: int) -> int:
        cuts = 0
        with power_cuts(every=3):
            for _time in range(8):
                try:
                    receipts.give_numbers()
                except PowerCut:
                    cuts += 1
        connection.close()
        return cuts

    def pay(_buyer: int) -> None:
        for _time in range(5):
            paid(2)
        connection.close()

    with ThreadPoolExecutor(6) as pool:
        buying = [pool.submit(pay, number) for number in range(3)]
        cuts = list(pool.map(work_on, range(4)))
        for each in buying:
            each.result()
    assert sum(cuts) == 4 * 2
    given = numbers()
    assert sorted(given) == list(range(1, last() + 1))
    jobs.number_receipts(0)
    assert sorted(numbers()) == list(range(1, 31))
    assert last() == 30


def test_an_order_that_somebody_works_on_is_numbered_the_next_time() -> None:
    paid(2)
    busy = Order.objects.earliest("paid_at")
    with ThreadPoolExecutor(1) as other, transaction.atomic():
        Order.objects.select_for_update().get(pk=busy.pk)

        def give() -> dict[int, int]:
            given = receipts.give_numbers()
            connection.close()
            return given

        assert list(other.submit(give).result(60).values()) == [1]
    assert receipts.give_numbers() == {busy.pk: 2}


def test_the_database_refuses_a_number_twice_and_one_of_an_order_that_is_not_paid() -> None:
    paid(2)
    receipts.number_all()
    for change in ({"receipt": 1}, {"paid_at": None, "status": "open"}):
        with pytest.raises(Exception, match="a_receipt"), transaction.atomic():
            Order.objects.filter(receipt=2).update(**change)


def test_the_mail_of_a_receipt_and_its_page_say_the_number(
    sandbox: ShopSandbox, buyer: Client, deliver: Any
) -> None:
    order = paid_order(sandbox, buyer, deliver)
    assert "Receipt 1" not in buyer.get(f"/order/{order.pk}").content.decode()
    work()
    (message,) = outgoing.outbox
    assert "\nReceipt 1\n" in str(message.body)
    ((html, _kind),) = message.alternatives  # type: ignore[attr-defined]
    assert "Receipt 1<" in html
    assert "Receipt 1<" in buyer.get(f"/order/{order.pk}").content.decode()
    open_order = place_order(buyer, make_item(name="Mug"))
    assert 'data-testid="receipt-number"' not in buyer.get(f"/order/{open_order.pk}").content.decode()


def test_the_mail_waits_for_its_number(sandbox: ShopSandbox, buyer: Client, deliver: Any) -> None:
    order = paid_order(sandbox, buyer, deliver)
    with ThreadPoolExecutor(1) as other, transaction.atomic():
        Order.objects.select_for_update().get(pk=order.pk)

        def send() -> bool | None:
            sent = mail_jobs.deliver(Mail.objects.get().pk)
            connection.close()
            return sent

        assert other.submit(send).result(60) is None
    mail = Mail.objects.get()
    assert (mail.status, mail.tries, mail.lease_until, len(outgoing.outbox)) == ("waiting", 0, None, 0)
    mail_jobs.send_due(0)
    assert "\nReceipt 1\n" in str(outgoing.outbox[0].body)


def test_a_refund_takes_no_number_away(sandbox: ShopSandbox, buyer: Client, deliver: Any) -> None:
    order = paid_order(sandbox, buyer, deliver)
    jobs.number_receipts(0)
    sandbox.stripe.v1.refunds.create({"payment_intent": order.payments.get().payment_intent})
    learn_payment(order.payments.get())
    assert state(order) == "refunded"
    paid_order(sandbox, Client(), deliver, name="Mug")
    jobs.number_receipts(0)
    assert sorted(numbers()) == [1, 2]
    order.refresh_from_db()
    assert order.receipt == 1


def test_a_receipt_says_who_sells_and_where_each_tax_and_the_shops_time(
    sandbox: ShopSandbox, buyer: Client, deliver: Any, settings: Any
) -> None:
    settings.SELLER, settings.SELLER_ADDRESS = "Kopeck & Co", "1 Mint Street, Riga"
    settings.SELLER_TAX_ID, settings.TIME_ZONE = "LV40003", "Asia/Tokyo"
    Tax.objects.create(display_name="VAT", percentage=20, inclusive=True, is_default=True)
    Tax.objects.create(display_name="City", percentage=5, is_default=True)
    order = paid_order(sandbox, buyer, deliver)
    work()
    order.refresh_from_db()
    assert order.paid_at
    at = f"{order.paid_at + timedelta(hours=9):%H:%M} JST"
    (message,) = outgoing.outbox
    ((html, _kind),) = message.alternatives  # type: ignore[attr-defined]
    page = buyer.get(f"/order/{order.pk}").content.decode()
    for told in (str(message.body), unescape(html), unescape(page)):
        for fact in ("Kopeck & Co", "1 Mint Street, Riga", "Tax number LV40003", "$8.03", "$2.01", at):
            assert fact in told, fact
        assert re.search(r"VAT 20\s?%", told)
        assert re.search(r"City 5\s?%", told)
    assert str(message.body).endswith("\nKopeck\nKopeck & Co\n1 Mint Street, Riga\nTax number LV40003\n")


def test_an_order_that_is_not_paid_says_no_tax_number(
    sandbox: ShopSandbox, buyer: Client, settings: Any
) -> None:
    settings.SELLER_TAX_ID = "LV40003"
    order = place_order(buyer, make_item())
    assert "LV40003" not in buyer.get(f"/order/{order.pk}").content.decode()
