"""An endpoint gets its events in the version that it was made with; without one, in the account's."""

import json
from collections.abc import Iterator

import pytest

from sandbox_testing.own import Own, Receiver, own_sandbox


@pytest.fixture
def own() -> Iterator[Own]:
    with own_sandbox() as own:
        yield own


def test_each_endpoint_gets_events_in_its_own_version(own: Own, receiver: Receiver) -> None:
    for version in ("2020-08-27", None):
        wanted = {"url": receiver.url, "enabled_events": ["payment_intent.succeeded"]}
        made = own.client.v1.webhook_endpoints.create(wanted | ({"api_version": version} if version else {}))
        assert made.api_version == version
    own.client.v1.payment_intents.create(
        {
            "amount": 900,
            "currency": "usd",
            "confirm": True,
            "payment_method": "pm_card_visa",
            "return_url": "https://shop.example/",
        }
    )
    events = [json.loads(received.body) for received in receiver.wait(2)]
    by_version = {event["api_version"]: event["data"]["object"] for event in events}
    assert by_version.keys() == {"2020-08-27", "2026-10-28.endive"}
    assert by_version["2020-08-27"]["charges"]["data"][0]["amount"] == 900
    assert "charges" not in by_version["2026-10-28.endive"]
    assert len({event["id"] for event in events}) == 1
    assert not [name for name in json.dumps(events).split('"') if name.startswith(("_session", "+"))]
