"""The owner's page of a shipment: where it goes, and that it was sent, with one mail to the buyer."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from kopeck.mail.models import Mail
from kopeck.mail.texts import write
from kopeck.orders.models import Order
from kopeck.orders.shipment import Shipment
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
