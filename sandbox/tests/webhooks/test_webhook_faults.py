"""What can go wrong on the way to a shop's endpoint: events paused, dropped, doubled, late, reordered."""

from __future__ import annotations

import time

from sandbox_testing.own import Own, Receiver, eventually


def names(receiver: Receiver) -> list[str]:
    return [received.event().data.object.name for received in receiver.received]


def test_while_paused_nothing_is_sent_and_afterwards_everything(own: Own, receiver: Receiver) -> None:
    own.faults(webhooks_paused=True)
    for name in "abc":
        own.client.v1.customers.create({"name": name})
    time.sleep(0.3)
    assert receiver.received == []
    own.faults(webhooks_paused=False)
    receiver.wait(3)
    assert sorted(names(receiver)) == ["a", "b", "c"]


def test_a_dropped_event_never_comes_but_can_be_sent_by_hand(own: Own, receiver: Receiver) -> None:
    own.faults(webhook_drop_rate=1)
    own.client.v1.customers.create({"name": "dropped"})
    own.faults(webhook_drop_rate=0)
    own.client.v1.customers.create({"name": "sent"})
    receiver.wait(1)
    eventually(lambda: own.deliveries(status="succeeded"))
    assert names(receiver) == ["sent"]
    (dropped,) = own.deliveries(status="dropped")
    status, sent = own.control("POST", "webhooks/deliver", {"event": dropped["event"]})
    assert status == 200
    assert [delivery["status"] for delivery in sent["data"]] == ["succeeded"]
    assert names(receiver) == ["sent", "dropped"]


def test_a_duplicate_is_the_same_event_twice(own: Own, receiver: Receiver) -> None:
    own.faults(webhook_duplicate_rate=1)
    own.client.v1.customers.create({})
    first, second = receiver.wait(2)
    assert first.event().id == second.event().id
    eventually(lambda: own.client.v1.events.list().data[0].pending_webhooks == 0)
    assert own.box.webhooks.wait_idle(5)
    assert len(receiver.received) == 2


def test_a_delay_holds_the_first_attempt_back(own: Own, receiver: Receiver) -> None:
    own.faults(webhook_delay_ms=[400, 500])
    started = time.time()
    own.client.v1.customers.create({})
    assert receiver.wait(1)[0].at - started >= 0.4


def test_reordered_events_come_newest_first(own: Own, receiver: Receiver) -> None:
    own.faults(webhook_reorder=True)
    customer = own.client.v1.customers.create({"name": "0"})
    for number in range(1, 4):
        own.client.v1.customers.update(customer.id, {"name": str(number)})
    receiver.wait(4)
    assert names(receiver) == ["3", "2", "1", "0"]


def test_a_window_changes_places_among_the_oldest_only(own: Own, receiver: Receiver) -> None:
    own.faults(webhook_reorder=2, webhooks_paused=True, seed=7)
    customer = own.client.v1.customers.create({"name": "0"})
    for number in range(1, 30):
        own.client.v1.customers.update(customer.id, {"name": str(number)})
    time.sleep(0.35)
    own.faults(webhooks_paused=False)
    receiver.wait(30)
    order = [int(name) for name in names(receiver)]
    assert order != sorted(order) == list(range(30))
    # Of a window of two, nobody is overtaken into a place more than one ahead of its own.
    assert all(place >= number - 1 for place, number in enumerate(order))
