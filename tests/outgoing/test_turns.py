"""An endpoint that is silent or owed much holds up neither the worker nor other endpoints."""

import socket
import time
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from kopeck.orders import placing
from kopeck.orders.models import Order
from kopeck.orders.wanted import Wanted
from kopeck.outgoing import jobs, sending
from kopeck.outgoing.addresses import Target
from kopeck.outgoing.models import Delivery, Endpoint
from tests.outgoing.receiver import Receiver, make_endpoint
from tests.support.buying import paid_order
from tests.support.shop import ShopSandbox, make_item
from tests.support.worker import work

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def order(db: None) -> Order:
    return placing.place([Wanted(make_item(), 1)], visitor="v" * 64)


def owed(endpoint: Endpoint, order: Order, count: int, **facts: Any) -> list[Delivery]:
    """Deliveries that are due, the oldest first."""
    rows = [
        Delivery(
            endpoint=endpoint,
            order=order,
            message_id=f"msg_{number}",
            type="order.paid",
            body="{}",
            due_at=timezone.now() - timedelta(hours=1) + timedelta(seconds=number),
            **facts,
        )
        for number in range(count)
    ]
    return Delivery.objects.bulk_create(rows)


def test_while_one_job_is_at_an_endpoint_another_leaves_it_alone_and_the_first_goes_on_with_it(
    receiver: Receiver, order: Order
) -> None:
    endpoint = make_endpoint(receiver.url)
    first, second, later = owed(endpoint, order, 3)
    Delivery.objects.filter(pk=later.pk).update(due_at=timezone.now() + timedelta(hours=1))
    told = []

    def meanwhile(handler: Any) -> None:
        receiver.instead = None
        jobs.send(second.pk)
        told.append(len(receiver.got))
        handler.send_response(200)
        handler.end_headers()

    receiver.instead = meanwhile
    jobs.send(first.pk)
    assert told == [1]
    assert [one.status for one in Delivery.objects.order_by("pk")] == ["sent", "sent", "waiting"]
    # A sender that died there is not waited for.
    Delivery.objects.filter(pk=later.pk).update(
        due_at=timezone.now(), lease_until=timezone.now() - timedelta(seconds=1)
    )
    jobs.send(later.pk)
    assert len(receiver.got) == 3


def test_a_job_is_of_one_endpoint_and_another_ones_are_not_waited_for(
    receiver: Receiver, order: Order
) -> None:
    mine, other = make_endpoint(receiver.url), make_endpoint(receiver.url)
    first, second = owed(mine, order, 2)
    busy, free = owed(other, order, 2)
    Delivery.objects.filter(pk=busy.pk).update(lease_until=timezone.now() + timedelta(minutes=1))
    jobs.send(first.pk)
    sent = set(Delivery.objects.filter(status="sent").values_list("pk", flat=True))
    assert sent == {first.pk, second.pk}
    jobs.send(free.pk)
    assert len(receiver.got) == 2


def test_a_failure_ends_the_job_and_the_rest_is_the_sweeps(receiver: Receiver, order: Order) -> None:
    receiver.answer = 500
    first, *_others = owed(make_endpoint(receiver.url), order, 3)
    jobs.send(first.pk)
    assert len(receiver.got) == 1
    jobs.send_due(0)
    assert len(receiver.got) == 2
    receiver.answer = 200
    Delivery.objects.update(due_at=timezone.now())
    jobs.send_due(0)
    assert set(Delivery.objects.values_list("status", flat=True)) == {"sent"}


def test_a_sweep_tries_each_endpoint_however_much_another_one_is_owed(
    receiver: Receiver, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "BATCH", 4)
    away = make_endpoint("http://127.0.0.1:9/")
    owed(away, order, 5)
    Delivery.objects.update(due_at=timezone.now() - timedelta(days=1))
    mine = make_endpoint(receiver.url)
    owed(mine, order, 2)
    jobs.send_due(0)
    assert set(Delivery.objects.filter(endpoint=mine).values_list("status", flat=True)) == {"sent"}
    assert sorted(Delivery.objects.filter(endpoint=away).values_list("tries", flat=True)) == [0, 0, 0, 0, 1]


def test_what_an_endpoint_was_owed_that_is_switched_off_ends_in_one_sweep(
    receiver: Receiver, order: Order
) -> None:
    owed(make_endpoint(receiver.url, enabled=False), order, 3)
    jobs.send_due(0)
    assert set(Delivery.objects.values_list("status", "problem")) == {
        ("failed", "The endpoint is switched off.")
    }
    assert receiver.got == []


def test_a_worker_sends_all_that_is_owed_once(
    sandbox: ShopSandbox, buyer: Client, deliver: Any, receiver: Receiver
) -> None:
    make_endpoint(receiver.url)
    for _order in range(3):
        paid_order(sandbox, buyer, deliver)
    work()
    assert len(receiver.got) == 3
    assert set(Delivery.objects.values_list("status", "tries")) == {("sent", 1)}


@pytest.mark.parametrize(
    ("is_https", "port", "host"),
    [(True, 443, "hooks.example"), (True, 80, "hooks.example:80"), (False, 80, "hooks.example")],
)
def test_the_host_is_named_without_the_port_that_goes_without_saying(
    is_https: bool, port: int, host: str, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def connect(_target: Target, address: str) -> Any:
        return sending.socket.create_connection((address, receiver.server_address[1]))

    monkeypatch.setattr(sending, "_connect", connect)
    target = Target(is_https, "hooks.example", port, "/")
    assert sending.post(target, "127.0.0.1", b"{}", {}) == 200
    ((headers, _body),) = receiver.got
    assert headers["host"] == host


@pytest.mark.parametrize("is_https", [False, True])
def test_a_silent_program_is_left_long_before_all_of_its_time_is_over(
    is_https: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Connections are taken, and nothing more: by https not even a hand is shaken."""
    monkeypatch.setattr(sending, "EACH", 0.3)
    began = time.monotonic()
    with socket.create_server(("127.0.0.1", 0)) as server:
        target = Target(is_https, "hooks.example", server.getsockname()[1], "/")
        with pytest.raises(OSError, match="timed out"):
            sending.post(target, "127.0.0.1", b"{}", {})
    assert time.monotonic() - began < 10
