"""Mails: owed in the transaction that causes them, one for each cause, in words that a buyer understands."""

import re
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
from django.core import mail as outgoing
from django.db import connection
from django.test import Client
from django.utils import translation

from kopeck.catalog.models import Discount, Tax
from kopeck.database import rows
from kopeck.mail import jobs as mail_jobs
from kopeck.mail.models import Mail
from kopeck.orders.models import Order
from kopeck.payments import sync
from kopeck.payments.models import Payment
from kopeck.refunds import request as refunds
from tests.support.buying import buy, events_of, paid_order, paid_order_of, settle
from tests.support.refunding import Desk
from tests.support.shop import ShopSandbox, make_item
from tests.support.stocking import paid_too_late
from tests.support.worker import forget_jobs, work

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _empty_queue(db: None) -> None:
    forget_jobs()


def sent() -> list[tuple[str, str]]:
    """Subject and text of every mail that went out."""
    return [(message.subject, str(message.body)) for message in outgoing.outbox]


def test_a_paid_order_brings_a_receipt(sandbox: ShopSandbox, buyer: Client, deliver: Any) -> None:
    Tax.objects.create(display_name="VAT", percentage=20, inclusive=True, is_default=True)
    Discount.objects.create(name="Welcome", code="WELCOME", percent_off=10)
    pot, mug = make_item(name="Moka <pot>", price=3900), make_item(name="Mug", price=1900)
    order = paid_order_of(sandbox, buyer, deliver, {pot.pk: 2, mug.pk: 1}, "WELCOME")
    assert sent() == []  # the job does it, not the webhook
    work()
    ((subject, text),) = sent()
    (message,) = outgoing.outbox
    assert subject == f"Kopeck: order {order.pk} is paid"
    assert message.to == ["buyer@example.com"]
    assert re.search(r"^2 × Moka <pot> +\$78\.00$", text, re.MULTILINE)
    assert re.search(r"^1 × Mug +\$19\.00$", text, re.MULTILINE)
    assert re.search(r"^Welcome +−\$9\.70$", text, re.MULTILINE)
    assert re.search(r"^VAT 20 %, included +\$14\.55$", text, re.MULTILINE)
    assert re.search(r"^Total +\$87\.30$", text, re.MULTILINE)
    assert "with Visa ···· 4242." in text
    assert f"http://testserver{order.link}" in text
    ((html, _kind),) = message.alternatives  # type: ignore[attr-defined]
    assert "Moka &lt;pot&gt;" in html
    assert "$87.30" in html
    mail = Mail.objects.get()
    assert (mail.status, mail.tries, mail.text, mail.to) == ("sent", 1, text, "buyer@example.com")


def test_the_link_of_a_mail_opens_the_order_in_any_browser(
    sandbox: ShopSandbox, buyer: Client, stranger: Client, deliver: Any, settings: Any
) -> None:
    settings.SITE_URL = "https://shop.example"
    order = paid_order(sandbox, buyer, deliver)
    work()
    link = re.search(r"https://shop\.example(/order/\S+)", sent()[0][1])
    assert link
    page = stranger.get(link[1])
    assert page.status_code == 200
    assert f"Order {order.pk}" in page.content.decode()


def test_an_order_is_paid_if_and_only_if_its_receipt_is_owed(
    sandbox: ShopSandbox, buyer: Client, deliver: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pain 4"""
    _, session_id = buy(buyer, make_item())
    sandbox.pay(session_id)
    (event,) = events_of(sandbox, "checkout.session.completed")

    def die(sql: str, asked: Any) -> None:
        rows.read(sql, asked)
        assert Mail.objects.count() == 1
        raise RuntimeError("The power is cut.")

    with monkeypatch.context() as patch:
        patch.setattr(mail_jobs, "rows", SimpleNamespace(read=die, values=rows.values))
        assert deliver(event).status_code == 500
    assert (Order.objects.get().status, Mail.objects.count()) == ("open", 0)
    assert deliver(event).json()["status"] == "done"
    assert (Order.objects.get().status, Mail.objects.get().status) == ("paid", "waiting")


def test_many_copies_of_one_event_bring_one_mail(sandbox: ShopSandbox, buyer: Client, deliver: Any) -> None:
    """pain 3"""
    _, session_id = buy(buyer, make_item())
    sandbox.pay(session_id)
    (event,) = events_of(sandbox, "checkout.session.completed")

    def arrive(number: int) -> int:
        # Half of them are the same event again, half are other news of the same session.
        answer = deliver({**event, "id": event["id"] if number % 2 else f"evt_{number}"})
        connection.close()
        return int(answer.status_code)

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(arrive, range(16))) == {200}
    settle(sandbox, deliver, session_id)
    work()
    mail_jobs.send_due(0)
    assert len(sent()) == 1


def test_each_refund_brings_one_mail_however_often_it_is_heard_of(
    sandbox: ShopSandbox, buyer: Client, owner: Client, deliver: Any
) -> None:
    """pain 18"""
    order = paid_order(sandbox, buyer, deliver)
    work()
    outgoing.outbox.clear()
    Desk(owner, order).refund(what="amount", amount="8.20")
    intent = order.payments.get().payment_intent
    sandbox.stripe.v1.refunds.create({"payment_intent": intent, "amount": 1000})  # at the dashboard
    for _time in range(2):
        for event in events_of(sandbox, "refund.", "charge.refund"):
            deliver(event)
    work()
    assert [subject for subject, _ in sent()] == [
        f"Kopeck: refund of $8.20 for order {order.pk}",
        f"Kopeck: refund of $10.00 for order {order.pk}",
    ]


def test_a_refund_that_stripe_refuses_brings_no_mail(
    sandbox: ShopSandbox, buyer: Client, owner: Client, deliver: Any
) -> None:
    order = paid_order(sandbox, buyer, deliver)
    form = Desk(owner, order).preview()
    intent = order.payments.get().payment_intent
    sandbox.stripe.v1.refunds.create({"payment_intent": intent})  # somebody was faster
    Desk(owner, order).confirm(form)
    assert order.refunds.filter(status="refused").count() == 1
    work()
    assert len([subject for subject, _ in sent() if "refund of" in subject]) == 1


def test_a_second_payment_that_goes_back_is_told_as_such(
    sandbox: ShopSandbox, buyer: Client, deliver: Any
) -> None:
    item = make_item()
    _, first = buy(buyer, item)
    Payment.objects.update(status="expired")
    _, second = buy(buyer, item)
    for session_id in (first, second):
        sandbox.pay(session_id)
        sync.refresh(Payment.objects.get(stripe_id=session_id))
    work()
    subjects = sorted(subject for subject, _ in sent())
    number = Order.objects.get().pk
    assert subjects == [
        f"Kopeck: order {number} is paid",
        f"Kopeck: refund of $48.20 for order {number}",
    ]
    assert any("was paid twice" in text for _, text in sent())


def test_what_is_sold_out_brings_one_apology_and_neither_receipt_nor_refund_mail(
    sandbox: ShopSandbox, buyer: Client, stranger: Client, deliver: Any
) -> None:
    """pain 13"""
    order = paid_too_late(sandbox, buyer, stranger)
    for event in events_of(sandbox, "checkout.session.completed"):
        deliver(event)
    work()
    for event in events_of(sandbox, "refund.", "charge.refund"):
        deliver(event)
    refunds.refund_unwanted(order.payments.get().pk)
    work()
    order.refresh_from_db()
    assert order.status == "refunded"
    mine = Mail.objects.filter(order=order)
    assert [mail.kind for mail in mine] == ["apology"]
    (text,) = [mail.text for mail in mine]
    assert "We are sorry. Moka pot was sold out" in text
    assert "We refund all that you paid: $48.20." in text
    assert sorted(subject for subject, _ in sent()) == sorted(
        [mine.get().subject, f"Kopeck: order {Order.objects.exclude(pk=order.pk).get().pk} is paid"]
    )


def test_a_declined_card_and_an_expired_session_bring_no_mail(
    sandbox: ShopSandbox, buyer: Client, stranger: Client, deliver: Any
) -> None:
    """pains 15 and 23"""
    _, declined = buy(buyer, make_item())
    sandbox.pay(declined, "4000000000000002")
    _, delayed = buy(stranger, make_item())
    sandbox.pay(delayed, delayed="fails")
    sandbox.control("POST", f"sessions/{delayed}/settle", {"outcome": "failed"})
    _, left = buy(Client(), make_item())
    sandbox.stripe.v1.checkout.sessions.expire(left)
    for event in sandbox.events():
        deliver(event)
    work()
    assert (sent(), Mail.objects.count()) == ([], 0)


def test_without_an_address_nothing_is_sent_and_nothing_breaks(
    sandbox: ShopSandbox, buyer: Client, owner: Client
) -> None:
    item = make_item()
    stripe_id = buyer.get(f"/intent/{item.pk}").json()["payment_intent_id"]
    sandbox.pay(stripe_id)
    sync.refresh(Payment.objects.get())
    Order.objects.update(email="")
    work()
    mail_jobs.send_due(0)
    mail = Mail.objects.get()
    assert (mail.status, mail.tries, sent()) == ("no_address", 0, [])
    # The address is learned later: the owner sends it then.
    Order.objects.update(email="buyer@example.com")
    owner.post("/admin/mail/mail/", {"action": "send_again", "_selected_action": mail.pk})
    work()
    mail.refresh_from_db()
    assert (mail.status, mail.to, len(sent())) == ("sent", "buyer@example.com", 1)


def test_a_mail_is_written_in_the_language_that_the_buyer_had(
    sandbox: ShopSandbox, buyer: Client, deliver: Any
) -> None:
    order = paid_order(sandbox, buyer, deliver)
    assert order.payments.get().language == "en"
    Payment.objects.update(language="de")
    with translation.override("fr"):
        mail_jobs.deliver(Mail.objects.get().pk)
    assert "48,20 $" in sent()[0][1].replace("\xa0", " ")


def test_a_shops_name_with_a_line_break_begins_no_header(
    sandbox: ShopSandbox, buyer: Client, deliver: Any, settings: Any
) -> None:
    settings.SHOP_NAME = "Pots\r\nBcc: everybody@example.com"
    paid_order(sandbox, buyer, deliver)
    work()
    (message,) = outgoing.outbox
    assert message.recipients() == ["buyer@example.com"]
    assert "\n" not in message.subject


@pytest.mark.parametrize("length", [254, 255, 512, 513])
def test_an_address_of_any_length_keeps_no_order_from_being_paid(
    sandbox: ShopSandbox, buyer: Client, deliver: Any, length: int
) -> None:
    """Checkout takes longer ones than any mail server."""
    session_id = buyer.get(f"/buy/{make_item().pk}").json()["session_id"]
    address = f"{'a' * 60}@{'b' * (length - 66)}.shop"
    assert len(address) == length
    sandbox.pay(session_id, email=address)
    (event,) = [e for e in sandbox.events() if e["type"] == "checkout.session.completed"]
    assert deliver(event).json()["status"] == "done"
    work()
    assert buyer.get(f"/order/{Order.objects.get().pk}/return").status_code == 303
    order = Order.objects.get()
    assert (order.status, order.email) == ("paid", address if length <= 512 else "")
    assert Mail.objects.get().status == ("sent" if length <= 512 else "no_address")
