"""Endpoints made through the API and by the command line: filters, secrets, rolling, and no doubles."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import stripe

from sandbox_testing.own import SECRET, Own, Receiver, eventually, own_sandbox
from stripe_sandbox.webhooks.endpoints import parse_endpoint


@pytest.fixture
def own() -> Iterator[Own]:
    with own_sandbox() as own:
        yield own


def test_an_endpoint_shows_its_secret_only_when_it_is_made(own: Own, receiver: Receiver) -> None:
    endpoints = own.client.v1.webhook_endpoints
    made = endpoints.create({"url": receiver.url, "enabled_events": ["*"], "metadata": {"a": "b"}})
    assert re.fullmatch(r"whsec_\w{32}", made.secret)
    assert made.status == "enabled"
    assert made.metadata.to_dict() == {"a": "b"}
    assert "secret" not in endpoints.retrieve(made.id)
    assert [endpoint.id for endpoint in endpoints.list().data] == [made.id]
    assert "secret" not in endpoints.list().data[0]
    own.client.v1.customers.create({})
    assert receiver.wait(1)[0].event(made.secret).type == "customer.created"


def test_an_endpoint_gets_only_the_events_it_asked_for(own: Own, receiver: Receiver) -> None:
    events = ["coupon.created", "coupon.deleted"]
    own.client.v1.webhook_endpoints.create({"url": receiver.url, "enabled_events": events})
    own.client.v1.customers.create({})
    coupon = own.client.v1.coupons.create({"percent_off": 5})
    own.client.v1.coupons.update(coupon.id, {"name": "Five"})
    own.client.v1.coupons.delete(coupon.id)
    receiver.wait(2)
    assert sorted(receiver.types()) == events


def test_an_endpoint_gets_no_events_of_another_account(own: Own, receiver: Receiver) -> None:
    own.client.v1.webhook_endpoints.create({"url": receiver.url, "enabled_events": ["*"]})
    own.client_of("stranger").v1.customers.create({"name": "stranger"})
    own.client.v1.customers.create({"name": "mine"})
    assert receiver.wait(1)[0].body.count(b"mine") == 1
    with pytest.raises(stripe.InvalidRequestError):
        own.client_of("stranger").v1.webhook_endpoints.retrieve(
            own.client.v1.webhook_endpoints.list().data[0].id
        )


def test_an_endpoint_can_be_changed_disabled_and_deleted(own: Own, receiver: Receiver) -> None:
    endpoints = own.client.v1.webhook_endpoints
    made = endpoints.create({"url": "http://127.0.0.1:1/", "enabled_events": ["coupon.created"]})
    changed = endpoints.update(
        made.id, {"url": receiver.url, "enabled_events": ["customer.created"], "description": "Shop"}
    )
    assert (changed.url, changed.enabled_events, changed.description) == (
        receiver.url,
        ["customer.created"],
        "Shop",
    )
    assert endpoints.update(made.id, {"disabled": True}).status == "disabled"
    own.client.v1.customers.create({"name": "while disabled"})
    assert endpoints.update(made.id, {"disabled": False}).status == "enabled"
    own.client.v1.customers.create({"name": "while enabled"})
    assert receiver.wait(1)[0].event(made.secret).data.object.name == "while enabled"
    assert endpoints.delete(made.id).deleted is True
    with pytest.raises(stripe.InvalidRequestError, match="No such webhook endpoint"):
        endpoints.retrieve(made.id)


@pytest.mark.parametrize("how", ["deleted", "disabled"])
def test_a_delivery_to_an_endpoint_that_is_no_more_is_canceled(
    own: Own, receiver: Receiver, how: str
) -> None:
    made = own.client.v1.webhook_endpoints.create({"url": receiver.url, "enabled_events": ["*"]})
    own.faults(webhooks_paused=True)
    own.client.v1.customers.create({})
    if how == "deleted":
        own.client.v1.webhook_endpoints.delete(made.id)
    else:
        own.client.v1.webhook_endpoints.update(made.id, {"disabled": True})
    own.faults(webhooks_paused=False)
    eventually(lambda: own.deliveries()[0]["status"] == "canceled")
    assert receiver.received == []


@pytest.mark.parametrize(
    ("params", "param", "message"),
    [
        ({"enabled_events": ["*"]}, "url", "Missing required param: url."),
        ({"url": "http://127.0.0.1/"}, "enabled_events", "Missing required param: enabled_events."),
        ({"url": "nonsense", "enabled_events": ["*"]}, "url", "An explicit scheme"),
        ({"url": "http://127.0.0.1/", "enabled_events": ["no.such"]}, "enabled_events[0]", "must be one of"),
        ({"url": "http://[", "enabled_events": ["*"]}, "url", "An explicit scheme"),
        (
            {"url": "http://127.0.0.1/", "enabled_events": ["*"], "api_version": "2024-06-21"},
            "api_version",
            "must be one of",
        ),
        ({"url": "http://127.0.0.1/", "enabled_events": ["*"], "connect": True}, "connect", "local sandbox"),
    ],
)
def test_bad_endpoints_are_refused(own: Own, params: dict[str, object], param: str, message: str) -> None:
    with pytest.raises(stripe.InvalidRequestError, match=re.escape(message)) as refusal:
        own.client.v1.webhook_endpoints.create(params)
    assert refusal.value.param == param
    assert own.client.v1.webhook_endpoints.list().data == []


def test_there_are_at_most_sixteen_endpoints(own: Own) -> None:
    for _ in range(16):
        own.client.v1.webhook_endpoints.create({"url": "http://127.0.0.1:1/", "enabled_events": ["*"]})
    with pytest.raises(stripe.InvalidRequestError, match="maximum of 16"):
        own.client.v1.webhook_endpoints.create({"url": "http://127.0.0.1:1/", "enabled_events": ["*"]})


def test_while_a_secret_is_rolled_both_sign(own: Own, receiver: Receiver) -> None:
    made = own.client.v1.webhook_endpoints.create({"url": receiver.url, "enabled_events": ["*"]})
    status, rolled = own.control("POST", f"webhook_endpoints/{made.id}/roll", {"expires_in": 3600})
    assert status == 200
    assert rolled["secret"] != made.secret
    own.client.v1.customers.create({})
    both = receiver.wait(1)[0]
    assert both.signature.count("v1=") == 2
    assert both.event(made.secret).id == both.event(rolled["secret"]).id
    own.control("POST", "clock/advance", {"seconds": 3600})
    own.client.v1.customers.create({})
    after = receiver.wait(2)[1]
    assert after.event(rolled["secret"])
    with pytest.raises(stripe.SignatureVerificationError):
        after.event(made.secret)


def test_a_restart_does_not_double_the_command_lines_endpoint(receiver: Receiver, tmp_path: Path) -> None:
    path = str(tmp_path / "box.sqlite3")
    for secret in ("whsec_one", "whsec_two"):
        with own_sandbox(path, webhooks=(f"{receiver.url}={secret}", f"shop@{receiver.url}=whsec_x")):
            pass
    with own_sandbox(path, webhooks=(f"{receiver.url}=whsec_three",)) as own:
        (endpoint,) = own.control("GET", "webhook_endpoints")[1]["data"]
        own.client.v1.customers.create({})
        eventually(lambda: own.deliveries()[0]["status"] == "succeeded")
    assert endpoint["object"]["url"] == receiver.url
    assert len(receiver.received) == 1
    assert receiver.received[0].event("whsec_three")


def test_endpoints_made_through_the_api_survive_a_restart(receiver: Receiver, tmp_path: Path) -> None:
    path = str(tmp_path / "box.sqlite3")
    with own_sandbox(path, tail="shop") as own:
        made = own.client.v1.webhook_endpoints.create({"url": receiver.url, "enabled_events": ["*"]})
    with own_sandbox(path, tail="shop") as own:
        own.client.v1.customers.create({})
        assert receiver.wait(1)[0].event(made.secret)


def test_the_command_lines_way_to_name_a_webhook() -> None:
    assert parse_endpoint("http://127.0.0.1:8000/hook=whsec_a") == (
        "*",
        "http://127.0.0.1:8000/hook",
        "whsec_a",
    )
    assert parse_endpoint("eur@https://shop/h?a=b=whsec_c") == ("eur", "https://shop/h?a=b", "whsec_c")
    for wrong in (
        "http://shop/",
        "http://shop/=secret",
        "shop/=whsec_a",
        "=whsec_a",
        "http://shop/=whsec_",
        SECRET,
    ):
        with pytest.raises(ValueError, match="A webhook is"):
            parse_endpoint(wrong)
