"""Failures of an endpoint: what is tried again, when, and what is kept of it; also over a restart."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from sandbox_testing.own import SECRET, Own, Receiver, eventually, own_sandbox


def settled(own: Own) -> dict[str, object]:
    """The only delivery, once no more is planned for it."""
    eventually(lambda: own.deliveries() and own.deliveries()[0]["status"] != "pending")
    (delivery,) = own.deliveries()
    return delivery


def test_a_failed_attempt_is_made_again_with_a_new_signature(own: Own, receiver: Receiver) -> None:
    own.faults(webhook_retry_seconds=[1.1])
    receiver.answers = [(500, b"boom")]
    own.client.v1.customers.create({})
    first, second = receiver.wait(2)
    assert first.event().id == second.event().id
    assert second.timestamp > first.timestamp
    assert second.at - first.at >= 1.1
    attempts = settled(own)["attempts"]
    assert [(attempt["status"], attempt["body"]) for attempt in attempts] == [(500, "boom"), (200, "ok")]
    assert attempts[0]["at"] < attempts[1]["at"]


@pytest.mark.parametrize("status", [299, 302, 400, 404, 503])
def test_only_a_2xx_answer_is_a_success(own: Own, receiver: Receiver, status: int) -> None:
    own.faults(webhook_retry_seconds=[])
    receiver.answers = [(status, b"")]
    own.client.v1.customers.create({})
    delivery = settled(own)
    assert delivery["status"] == ("succeeded" if status == 299 else "failed")
    assert [attempt["status"] for attempt in delivery["attempts"]] == [status]
    assert len(receiver.received) == 1


def test_tries_come_to_an_end_and_the_event_stays_pending(own: Own, receiver: Receiver) -> None:
    own.faults(webhook_retry_seconds=[0.01, 0.02])
    receiver.answers = [(500, b"")] * 9
    own.client.v1.customers.create({})
    delivery = settled(own)
    assert delivery["status"] == "failed"
    assert delivery["next_attempt"] is None
    assert len(delivery["attempts"]) == len(receiver.received) == 3
    assert own.client.v1.events.list().data[0].pending_webhooks == 1


def test_the_waits_grow_as_the_schedule_says(own: Own, receiver: Receiver) -> None:
    own.faults(webhook_retry_seconds=[0.1, 0.4])
    receiver.answers = [(500, b"")] * 2
    own.client.v1.customers.create({})
    first, second, third = receiver.wait(3)
    assert 0.1 <= second.at - first.at < 0.4 <= third.at - second.at


def test_an_endpoint_that_does_not_answer_in_time_has_failed(own: Own, receiver: Receiver) -> None:
    own.faults(webhook_timeout_seconds=0.2, webhook_retry_seconds=[])
    receiver.hold = 0.6
    own.client.v1.customers.create({})
    (attempt,) = settled(own)["attempts"]
    assert attempt["status"] is None
    assert attempt["error"] == "No answer within 0.2 s."
    assert 150 < attempt["duration_ms"] < 600


def test_an_endpoint_that_is_not_there_is_told_as_an_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/"
        with own_sandbox(webhooks=(f"{url}={SECRET}",)) as own:
            own.faults(webhook_retry_seconds=[])
            own.client.v1.customers.create({})
            (attempt,) = settled(own)["attempts"]
    assert attempt["status"] is None
    assert "ConnectionRefusedError" in attempt["error"]


def test_of_a_long_answer_two_kilobytes_are_kept(own: Own, receiver: Receiver) -> None:
    receiver.answers = [(200, b"x" * 5000)]
    own.client.v1.customers.create({})
    (attempt,) = settled(own)["attempts"]
    assert attempt["body"] == "x" * 2048


def test_pending_deliveries_survive_a_restart(receiver: Receiver, tmp_path: Path) -> None:
    path, webhook = str(tmp_path / "box.sqlite3"), f"{receiver.url}={SECRET}"
    receiver.answers = [(500, b"not yet")]
    with own_sandbox(path, webhooks=(webhook,)) as own:
        own.faults(webhook_retry_seconds=[0.5])
        own.client.v1.customers.create({})
        eventually(lambda: own.deliveries()[0]["attempts"])
    assert len(receiver.received) == 1
    with own_sandbox(path, webhooks=(webhook,)) as own:
        receiver.wait(2)
        delivery = settled(own)
    assert [attempt["status"] for attempt in delivery["attempts"]] == [500, 200]


def test_a_first_attempt_that_was_never_made_is_made_after_a_restart(
    receiver: Receiver, tmp_path: Path
) -> None:
    path, webhook = str(tmp_path / "box.sqlite3"), f"{receiver.url}={SECRET}"
    with own_sandbox(path, webhooks=(webhook,)) as own:
        own.faults(webhooks_paused=True)
        own.client.v1.customers.create({})
    assert receiver.received == []
    with own_sandbox(path, webhooks=(webhook,)):
        assert receiver.wait(1)[0].event().type == "customer.created"


def test_an_event_whose_process_died_before_queueing_it_is_delivered_by_the_next(
    receiver: Receiver, tmp_path: Path
) -> None:
    path, webhook = str(tmp_path / "box.sqlite3"), f"{receiver.url}={SECRET}"
    with own_sandbox(path, webhooks=(webhook,), tail="shop") as own:
        own.faults(webhooks_paused=True)
        own.client.v1.customers.create({})
        # What the file looks like when the process ends between the commit and the queueing.
        for table in ("webhook_deliveries", "webhook_events"):
            own.box.store.sql(f"DELETE FROM {table}")
    with own_sandbox(path, webhooks=(webhook,), tail="shop"):
        assert receiver.wait(1)[0].event().type == "customer.created"


def test_stopping_does_not_wait_long_for_a_hanging_endpoint(receiver: Receiver) -> None:
    receiver.hold = 30
    with own_sandbox(webhooks=(f"{receiver.url}={SECRET}",)) as own:
        own.faults(webhook_timeout_seconds=60)
        own.client.v1.customers.create({})
        receiver.wait(1)
        started = time.monotonic()
        own.box.webhooks.close(patience=0.3)
        assert time.monotonic() - started < 20
