"""A buyer's data can be removed: nothing of it is left in any table, and the books are as they were."""

import io
import re
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from kopeck.books.forget import forget
from kopeck.mail.jobs import send_due
from kopeck.mail.models import Mail
from kopeck.orders.lines import OrderLine, OrderTax
from kopeck.orders.models import Order
from kopeck.orders.shipment import Shipment
from kopeck.payments import sync
from kopeck.payments.models import Payment
from kopeck.refunds import disputes
from kopeck.refunds.models import Refund
from kopeck.sentences import Said
from kopeck.webhooks.models import StripeEvent
from tests.support.buying import bought, events_of, paid_order, place_order
from tests.support.refunding import Desk
from tests.support.shop import ShopSandbox, make_item, make_rate

pytestmark = pytest.mark.django_db(transaction=True)
EMAIL, OTHER = "buyer@example.com", "other_buyer@example.com"
PERSONAL = (EMAIL, "Ada Lovelace", "+37120000000", "1 Analytical Street", "Turing Hill")


def texts() -> dict[str, str]:
    """Everything that every table says, by table; sessions and migrations too."""
    with connection.cursor() as cursor:
        names = connection.introspection.table_names(cursor)
        found = {}
        for name in names:
            cursor.execute(f"SELECT coalesce(string_agg(row::text, E'\\n'), '') FROM \"{name}\" row")
            found[name] = str((cursor.fetchone() or ("",))[0])
    return found


def where(*needles: str) -> list[str]:
    """The tables that say one of these, in any letters."""
    said = re.compile("|".join(rf"(?<![\w.]){re.escape(one)}" for one in needles), re.IGNORECASE)
    return [name for name, text in texts().items() if said.search(text)]


def books() -> list[Any]:
    """All sums, numbers and taxes."""
    parts: dict[type[Any], tuple[str, ...]] = {
        Order: ("pk", "status", "total", "tax_total", "discount_total", "receipt", "paid_at", "currency"),
        OrderLine: ("order", "name", "quantity", "total", "tax_amount"),
        OrderTax: ("order", "display_name", "amount"),
        Payment: ("order", "status", "amount", "stripe_id", "payment_intent", "paid_at"),
        Refund: ("order", "status", "amount", "stripe_id", "allocation"),
    }
    return [list(model.objects.order_by("pk").values_list(*names)) for model, names in parts.items()]


def attempt(order: Order, number: int, status: str, **facts: Any) -> None:
    """A payment of the order besides those that the sandbox knows."""
    facts |= {"account": "default", "amount": 1, "currency": "usd", "expires_at": timezone.now()}
    Payment.objects.create(order=order, attempt=number, status=status, **facts)


@pytest.fixture
def told(sandbox: ShopSandbox, buyer: Client, owner: Client, deliver: Any) -> Order:
    """An order that was delivered and partly refunded, of whose buyer much is known."""
    make_rate()
    payment = bought(buyer, item=make_item(shipped=True))
    _email, name, phone, line1, city = PERSONAL
    place = {"line1": line1, "city": city, "postal_code": "LV-1050", "country": "US"}
    shipping = {"name": name, "address": place}
    sandbox.pay(payment.stripe_id or "", email=EMAIL, name=name, phone=phone, shipping=shipping)
    for event in sandbox.events():
        deliver(event)
    order = Order.objects.get(pk=payment.order_id)
    Desk(owner, order).refund(what="amount", amount="8.20", comment=f"{EMAIL.upper()} asked for it")
    for event in events_of(sandbox, "refund.", "charge.refund"):
        deliver(event)
    # Another try of the same buyer, who typed an address and left.
    left = place_order(buyer, make_item(name="Mug"))
    Order.objects.filter(pk=left.pk).update(email=EMAIL.title(), status="expired")
    inputs = {"customer_email": EMAIL, "mode": "payment"}
    attempt(left, 1, "expired", stripe_id="cs_gone", inputs=inputs, asked_from="hash of an address")
    order.note(Said(f"{EMAIL} rang up."))
    StripeEvent.objects.create(
        event_id="evt_waits",
        type="charge.succeeded",
        payload={"data": {"object": {"id": "ch_1", "email": EMAIL.upper()}}},
        status="failed",
        created=timezone.now(),
    )
    Shipment.objects.update(sent_at=timezone.now())
    send_due(0)
    return order


def run(*words: str) -> tuple[str, int]:
    out = io.StringIO()
    try:
        call_command("forget", *words, stdout=out)
    except SystemExit as end:
        return out.getvalue(), int(end.code or 0)
    return out.getvalue(), 0


def test_nothing_of_a_buyer_is_left_in_any_table_and_the_books_are_whole(
    told: Order, sandbox: ShopSandbox, deliver: Any
) -> None:
    paid_order(sandbox, Client(), deliver)
    Order.objects.filter(pk=Order.objects.latest("pk").pk).update(email=OTHER)
    Mail.objects.filter(order=Order.objects.latest("pk")).update(to=OTHER)
    StripeEvent.objects.filter(object_id=Payment.objects.latest("pk").stripe_id).update(payload={"to": OTHER})
    before = books()
    known = {"orders_order", "orders_shipment", "orders_ordernote", "payments_payment", "refunds_refund"}
    assert known | {"mail_mail", "webhooks_stripeevent"} <= set(where(*PERSONAL))
    visitor = told.visitor
    said, code = run(f"  {EMAIL.upper()} ")
    assert where(*PERSONAL) == []
    of_refunds = StripeEvent.objects.filter(object_id__in=Refund.objects.values("stripe_id"))
    assert set(of_refunds.values_list("payload", flat=True)) == {None}
    letters = Mail.objects.filter(order=told).values_list("to", "subject", "text", "html", "problem")
    assert set(letters) == {("", "", "", "", "")}
    assert books() == before
    assert said.startswith("Personal data was removed from: 2 orders, 1 shipment, 2 mails, ")
    assert code == 0
    told.refresh_from_db()
    assert (told.email, told.visitor) == ("", "")
    assert not Order.objects.filter(visitor=visitor, email__gt="").exists()
    # What has to be processed still can be.
    assert StripeEvent.objects.get(event_id="evt_waits").payload == {
        "data": {"object": {"id": "ch_1", "email": "[removed]"}}
    }
    # Another buyer, whose address ends like this one's.
    assert {"orders_order", "mail_mail", "webhooks_stripeevent"} <= set(where(OTHER))
    assert run(EMAIL) == ("There was nothing to remove.\n", 0)


def test_an_order_whose_mail_leaves_at_this_moment_is_forgotten_the_next_time(told: Order) -> None:
    Mail.objects.filter(order=told).update(lease_until=timezone.now() + timedelta(minutes=5))
    said, code = run(EMAIL)
    assert f"Order {told.pk} is left alone: a mail to its buyer is being sent.\n" in said
    assert (code, "mail_mail" in where(EMAIL)) == (1, True)
    Mail.objects.update(lease_until=timezone.now() - timedelta(minutes=1))
    assert run(EMAIL)[1] == 0
    assert where(*PERSONAL) == []


def test_a_later_event_of_the_order_brings_its_address_to_no_order_and_no_mail(
    told: Order, sandbox: ShopSandbox, owner: Client
) -> None:
    forget(EMAIL)
    Desk(owner, told).refund()
    sync.refresh(told.payments.get())
    send_due(0)
    assert where(EMAIL) == []
    assert {mail.status for mail in Mail.objects.filter(order=told, text="")} >= {"no_address"}


@pytest.mark.parametrize("reason", ["live", "dispute", "to_send"])
def test_an_order_that_needs_its_buyer_is_left_alone_and_named(
    reason: str, told: Order, sandbox: ShopSandbox
) -> None:
    sentence = {
        "live": "it can still be paid, or a bank is working on its payment",
        "dispute": "its dispute is open",
        "to_send": "it is still to be sent",
    }[reason]
    if reason == "live":
        attempt(told, 7, "processing", stripe_id="cs_live", inputs={})
    elif reason == "dispute":
        sandbox.control("POST", f"charges/{sandbox.charges()[0].id}/dispute", {"reason": "fraudulent"})
        (dispute,) = sandbox.stripe.v1.disputes.list().data
        disputes.learn("default", dispute.id)
    else:
        Shipment.objects.update(sent_at=None)
    said, code = run(EMAIL)
    assert f"Order {told.pk} is left alone: {sentence}.\n" in said
    assert code == 1
    told.refresh_from_db()
    assert (told.email, told.shipment.name) == (EMAIL, "Ada Lovelace")
    assert Order.objects.exclude(pk=told.pk).get().email == ""


@pytest.mark.parametrize(
    "typed", ["", "buyer", "@x.example", "a@", "a b@x.example", "a" * 512 + "@x.example"]
)
def test_what_is_no_address_is_refused_in_a_sentence(typed: str) -> None:
    with pytest.raises(CommandError, match="This is no e-mail address"):
        run(typed)


def test_the_orders_of_a_forgotten_buyer_are_no_strangers(told: Order) -> None:
    """They have no visitor any more, and a browser without a cookie is no visitor either."""
    forget(EMAIL)
    stranger = Client()
    assert stranger.get("/api/v1/orders").json()["orders"] == []
    for address in ("/orders", f"/item/by_order/{told.goods[0].item_number}", "/orders/open"):
        assert f"/order/{told.pk}" not in stranger.get(address, follow=True).content.decode(), address
    assert stranger.get(f"/order/{told.pk}").status_code == 404


def test_signs_of_patterns_in_an_address_are_only_letters(told: Order) -> None:
    assert not forget("b%@example.com").counts
    assert not forget("b.yer@example.com").counts
    assert not forget(r"\w+@example.com").counts
    assert told.email == EMAIL


def test_the_owner_looks_and_then_removes_in_the_admin(told: Order, owner: Client) -> None:
    page = owner.get(f"/admin/orders/order/{told.pk}/change/").content.decode()
    assert f'href="/admin/forget/?order={told.pk}"' in page
    page = owner.get(f"/admin/forget/?order={told.pk}").content.decode()
    assert f'value="{EMAIL}"' in page
    page = owner.post("/admin/forget/", {"email": EMAIL, "action": "look"}).content.decode()
    assert page.count("the buyer&#x27;s data is removed") + page.count("the buyer's data is removed") == 2
    assert where(EMAIL) != []
    changed = {"email": EMAIL, "action": "forget", "looked": OTHER}  # another address is looked at first
    assert 'data-testid="found"' in owner.post("/admin/forget/", changed).content.decode()
    assert where(EMAIL) != []
    asked = {"email": EMAIL, "action": "forget", "looked": EMAIL}
    page = owner.post("/admin/forget/", asked, follow=True).content.decode()
    assert "Personal data was removed from: 2 orders" in page
    assert where(EMAIL) == []
    told_of = set(
        LogEntry.objects.filter(change_message__contains="personal data").values_list("object_id", flat=True)
    )
    assert told_of == {str(order.pk) for order in Order.objects.all()}
    assert "Removed the buyer" in owner.get(f"/admin/orders/order/{told.pk}/history/").content.decode()
    assert "forget-buyer" not in owner.get(f"/admin/orders/order/{told.pk}/change/").content.decode()
    page = owner.post("/admin/forget/", {"email": "nobody", "action": "look"}).content.decode()
    assert "This is no e-mail address." in page


def test_only_who_may_forget_buyers_does(told: Order) -> None:
    user, client = User.objects.create_user("clerk", is_staff=True), Client()
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_order", "change_order"]))
    client.force_login(user)
    asked = {"email": EMAIL, "action": "forget", "looked": EMAIL}
    assert client.get(f"/admin/forget/?order={told.pk}").status_code == 403
    assert client.post("/admin/forget/", asked).status_code == 403
    assert "forget-buyer" not in client.get(f"/admin/orders/order/{told.pk}/change/").content.decode()
    user.user_permissions.add(Permission.objects.get(codename="forget_buyer"))
    assert client.post("/admin/forget/", asked).status_code == 302
    assert where(EMAIL) == []


def test_every_text_of_every_table_is_looked_at() -> None:
    """`where` would find an address in any of our tables."""
    assert {model._meta.db_table for model in apps.get_models()} <= set(texts())
