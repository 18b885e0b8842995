"""The owner's page of a shipment: where it goes, and that it was sent, with one mail to the buyer."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from kopeck.backoffice import shipments
from kopeck.mail.models import Mail
from kopeck.mail.texts import write
from kopeck.orders.models import Order, locked
from kopeck.orders.shipment import Shipment
from kopeck.outgoing.models import Delivery, Event
from tests.outgoing.receiver import make_endpoint
from tests.support.buying import paid_order
from tests.support.shop import ShopSandbox, make_rate

pytestmark = pytest.mark.django_db(transaction=True)
SENT = {"carrier": "DHL", "number": "42", "link": "https://dhl.example/42", "sent": "on"}


@pytest.fixture
def shipment(sandbox: ShopSandbox, buyer: Client, deliver: Callable[..., Any]) -> Shipment:
    make_rate()
    return paid_order(sandbox, buyer, deliver, shipped=True).shipment  # type: ignore[attr-defined,no-any-return]


def save(client: Client, shipment: Shipment, facts: dict[str, str]) -> Any:
    return client.post(f"/admin/orders/shipment/{shipment.pk}/change/", facts)


def test_marking_it_as_sent_mails_the_buyer_once(admin_client: Client, shipment: Shipment) -> None:
    page = admin_client.get(f"/admin/orders/shipment/{shipment.pk}/change/").content.decode()
    assert shipment.address["line1"] in page
    for _time in range(2):
        assert save(admin_client, shipment, SENT).status_code == 302
    shipment.refresh_from_db()
    assert (shipment.carrier, shipment.sent_at is not None) == ("DHL", True)
    mail = Mail.objects.get(kind="sent")
    write(mail)
    assert "is on its way" in mail.subject
    assert "DHL 42" in mail.text
    assert "https://dhl.example/42" in mail.text
    assert shipment.order.notes.get().text == "admin marked it as sent."


def test_notes_alone_send_nothing(admin_client: Client, shipment: Shipment) -> None:
    save(admin_client, shipment, {"carrier": "DHL"})
    shipment.refresh_from_db()
    assert (shipment.carrier, shipment.sent_at) == ("DHL", None)
    assert not Mail.objects.filter(kind="sent").exists()


def test_a_refunded_order_is_not_sent(admin_client: Client, shipment: Shipment) -> None:
    Order.objects.update(status="refunded")
    answer = save(admin_client, shipment, SENT)
    assert "send nothing" in answer.content.decode()
    shipment.refresh_from_db()
    assert shipment.sent_at is None
    assert not Mail.objects.filter(kind="sent").exists()


@pytest.mark.parametrize("link", ["javascript:alert(1)", "x" * 501, "not a link"])
def test_a_link_that_is_none_is_refused(admin_client: Client, shipment: Shipment, link: str) -> None:
    assert save(admin_client, shipment, {**SENT, "link": link}).status_code == 200
    shipment.refresh_from_db()
    assert shipment.sent_at is None


def meanwhile(monkeypatch: pytest.MonkeyPatch, act: Callable[[], Any]) -> None:
    """Somebody else acts while a form is saved: before it has the order's row."""

    def other() -> None:
        act()
        connection.close()

    def slowly(order_id: int) -> Order:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(other).result()
        return locked(order_id)

    monkeypatch.setattr(shipments, "locked", slowly)


def test_two_who_press_at_once_send_it_once(
    admin_client: Client, shipment: Shipment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def press() -> None:
        with transaction.atomic():
            order = locked(shipment.order_id)
            Shipment.objects.get(order=order).mark_sent(by="another")

    make_endpoint("https://hooks.example/", Event.SENT)
    meanwhile(monkeypatch, press)
    answer = save(admin_client, shipment, SENT)
    assert "This order was marked as sent before." in answer.content.decode()
    shipment.refresh_from_db()
    assert (shipment.carrier, shipment.sent_at is not None) == ("", True)
    assert [note.text for note in shipment.order.notes.all()] == ["another marked it as sent."]
    assert Delivery.objects.count() == 1


def test_an_address_that_is_removed_meanwhile_stays_removed(
    admin_client: Client, shipment: Shipment, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone: dict[str, Any] = {"name": "", "phone": "", "address": {}, "forgotten": timezone.now()}
    meanwhile(monkeypatch, lambda: Shipment.objects.update(**gone))
    assert save(admin_client, shipment, SENT).status_code == 302
    shipment.refresh_from_db()
    assert (shipment.carrier, shipment.address, shipment.forgotten is not None) == ("DHL", {}, True)
