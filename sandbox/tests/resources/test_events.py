"""Events as the API lists them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import stripe

from sandbox_testing.own import Own, own_sandbox


@pytest.fixture
def own() -> Iterator[Own]:
    with own_sandbox() as own:
        yield own


def test_an_event_is_a_snapshot_that_later_changes_leave_alone(client: stripe.StripeClient) -> None:
    coupon = client.v1.coupons.create({"percent_off": 5, "name": "Old"})
    client.v1.coupons.update(coupon.id, {"name": "New"})
    updated, created = client.v1.events.list().data
    assert (updated.type, created.type) == ("coupon.updated", "coupon.created")
    assert client.v1.events.retrieve(created.id).data.object.name == "Old"
    assert updated.data.object.name == "New"
    assert updated.data.previous_attributes.to_dict() == {"name": "Old"}
    assert "previous_attributes" not in created.data


def test_events_are_filtered_by_type_pattern_and_several_types(client: stripe.StripeClient) -> None:
    coupon = client.v1.coupons.create({"percent_off": 5})
    client.v1.coupons.update(coupon.id, {"name": "New"})
    client.v1.customers.create({})
    client.v1.coupons.delete(coupon.id)

    def types(**params: Any) -> list[str]:
        return [event.type for event in client.v1.events.list(params).data]

    assert types() == ["coupon.deleted", "customer.created", "coupon.updated", "coupon.created"]
    assert types(type="coupon.created") == ["coupon.created"]
    assert types(type="coupon.*") == ["coupon.deleted", "coupon.updated", "coupon.created"]
    assert types(types=["customer.created", "coupon.deleted"]) == ["coupon.deleted", "customer.created"]
    with pytest.raises(
        stripe.InvalidRequestError, match="You may only specify one of these parameters: type, types"
    ):
        types(type="coupon.*", types=["coupon.created"])


def test_a_filtered_list_is_paged_both_ways(client: stripe.StripeClient) -> None:
    for number in range(1, 6):
        client.v1.coupons.create({"percent_off": number})
        client.v1.customers.create({})
    page = client.v1.events.list({"type": "coupon.*", "limit": 2})
    assert page.has_more
    numbers = [event.data.object.percent_off for event in page.auto_paging_iter()]
    assert numbers == [5, 4, 3, 2, 1]
    back = client.v1.events.list({"type": "coupon.*", "limit": 2, "ending_before": page.data[1].id})
    assert [event.id for event in back.data] == [page.data[0].id]
    assert not back.has_more


def test_events_of_another_account_are_unknown(own: Own) -> None:
    own.client.v1.customers.create({})
    event = own.client.v1.events.list().data[0]
    stranger = own.client_of("stranger")
    assert stranger.v1.events.list().data == []
    with pytest.raises(stripe.InvalidRequestError, match=f"No such event: '{event.id}'"):
        stranger.v1.events.retrieve(event.id)


def test_events_are_filtered_by_delivery(own: Own) -> None:
    made = own.client.v1.webhook_endpoints.create(
        {"url": "http://127.0.0.1:1/", "enabled_events": ["customer.created"]}
    )
    assert made.status == "enabled"
    own.client.v1.customers.create({})
    own.client.v1.coupons.create({"percent_off": 1})
    listed = own.client.v1.events.list
    assert [event.type for event in listed({"delivery_success": False}).data] == ["customer.created"]
    assert [event.type for event in listed({"delivery_success": True}).data] == ["coupon.created"]


def test_events_are_kept_for_thirty_days(own: Own) -> None:
    own.client.v1.customers.create({})
    event = own.client.v1.events.list().data[0]
    own.control("POST", "clock/advance", {"seconds": 30 * 86400 - 60})
    assert own.client.v1.events.retrieve(event.id).id == event.id
    own.control("POST", "clock/advance", {"seconds": 120})
    assert own.client.v1.events.list().data == []
    with pytest.raises(stripe.InvalidRequestError, match="No such event"):
        own.client.v1.events.retrieve(event.id)
