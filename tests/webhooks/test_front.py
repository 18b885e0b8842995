"""Events that need no work are stored and answered in front of Django, by one statement, as by Django."""

import json
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.db import OperationalError
from django.test import Client
from prometheus_client import REGISTRY
from werkzeug.test import Client as WerkzeugClient

from kopeck.front.bodies import WholeBodies
from kopeck.webhooks import intake
from kopeck.webhooks.front import Front
from kopeck.webhooks.models import StripeEvent
from tests.support.buying import events_of, paid_at_stripe
from tests.support.shop import ShopSandbox, sign
from tests.support.statements import statements

pytestmark = pytest.mark.django_db(transaction=True)
ADDRESS = "/webhooks/stripe/default"


class Endpoint:
    """The address as the web server asks it, and how often Django was asked."""

    def __init__(self) -> None:
        self.django_asked = 0
        views = WSGIHandler()

        def counted(environ: dict[str, Any], start_response: Any) -> Any:
            self.django_asked += 1
            return views(environ, start_response)

        self.client = WerkzeugClient(WholeBodies(Front(counted), threads=4), use_cookies=False)

    def post(self, event: Any, *, path: str = ADDRESS, signature: str = "", **headers: str) -> Any:
        body = event if isinstance(event, str) else json.dumps(event)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        told = {"Host": "testserver", "Stripe-Signature": signature or sign(body), **named}
        return self.client.post(path, data=body, headers=told, content_type="application/json")


def event(number: int, **facts: Any) -> dict[str, Any]:
    about = {"object": {"id": f"ch_{number}", "object": "charge"}}
    return {"id": f"evt_{number}", "type": "charge.succeeded", "livemode": False, "data": about, **facts}


@pytest.fixture
def endpoint() -> Endpoint:
    """One that has seen what Django answers."""
    found = Endpoint()
    assert found.post(event(0)).json == {"status": "ignored"}
    assert found.django_asked == 1
    return found


def test_what_needs_no_work_is_stored_by_one_statement_and_never_asks_django(endpoint: Endpoint) -> None:
    for _copy in range(2):
        with statements() as sent:
            assert endpoint.post(event(1)).json == {"status": "ignored"}
        assert len(sent) == 1, sent
    assert endpoint.django_asked == 1
    stored = StripeEvent.objects.get(event_id="evt_1")
    assert (stored.status, stored.attempts, stored.object_id) == ("ignored", 1, "ch_1")
    assert stored.payload == event(1)


def test_the_answer_is_the_one_that_django_gives(endpoint: Endpoint) -> None:
    by_django, by_itself = Endpoint().post(event(1)), endpoint.post(event(1))
    assert by_itself.data == by_django.data
    names = set(by_django.headers.keys())
    assert set(by_itself.headers.keys()) == names
    assert {"Content-Security-Policy", "X-Content-Type-Options", "X-Request-ID"} <= names
    for name in names - {"X-Request-ID"}:
        assert by_itself.headers[name] == by_django.headers[name]
    assert by_itself.headers["X-Request-ID"] != by_django.headers["X-Request-ID"]


def test_an_event_that_asks_for_work_is_stored_in_front_and_processed_by_the_view(
    endpoint: Endpoint, sandbox: ShopSandbox, buyer: Client
) -> None:
    payment = paid_at_stripe(sandbox, buyer)
    (completed,) = events_of(sandbox, "checkout.session.completed")
    assert endpoint.post(completed).json == {"status": "done"}
    assert endpoint.django_asked == 2
    payment.refresh_from_db()
    assert payment.status == "paid"
    assert StripeEvent.objects.get(event_id=completed["id"]).attempts == 1
    assert endpoint.post(completed).json == {"status": "done"}
    assert endpoint.django_asked == 2  # the copy changes nothing


def test_an_event_that_failed_is_processed_at_its_next_delivery(
    endpoint: Endpoint, sandbox: ShopSandbox, buyer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    paid_at_stripe(sandbox, buyer)
    (completed,) = events_of(sandbox, "checkout.session.completed")
    with monkeypatch.context() as broken:
        broken.setattr(intake, "_handle", lambda event: 1 / 0)
        assert endpoint.post(completed).json["error"]["code"] == "event_failed"
    assert StripeEvent.objects.get(event_id=completed["id"]).status == "failed"
    assert endpoint.post(completed).json == {"status": "done"}


@pytest.mark.parametrize(
    ("facts", "status", "code"),
    [
        ({"signature": "t=1,v1=0"}, 400, "signature_"),
        ({"path": "/webhooks/stripe/none"}, 404, "no_such_endpoint"),
        ({"Host": "elsewhere.example"}, 400, "bad_request"),
    ],
)
def test_what_is_not_as_it_should_be_is_answered_by_django(
    endpoint: Endpoint, facts: dict[str, str], status: int, code: str
) -> None:
    answer = endpoint.post(event(2), **facts)
    assert (answer.status_code, endpoint.django_asked) == (status, 2)
    assert code in answer.text
    assert not StripeEvent.objects.filter(event_id="evt_2").exists()


def test_a_signed_body_that_is_no_event_is_refused(endpoint: Endpoint) -> None:
    for body in ("[]", "no JSON", '{"id": 1}'):
        answer = endpoint.post(body)
        assert (answer.status_code, answer.json["error"]["code"]) == (400, "payload_unreadable")


def test_an_event_of_another_mode_is_rejected(endpoint: Endpoint) -> None:
    assert endpoint.post(event(3, livemode=True)).json == {"status": "rejected"}
    assert StripeEvent.objects.get(event_id="evt_3").status == "rejected"


def test_while_the_database_is_away_stripe_is_asked_to_come_again(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*words: Any) -> Any:
        raise OperationalError("gone")

    with monkeypatch.context() as broken:
        broken.setattr(intake, "_store", away)
        assert endpoint.post(event(5)).status_code == 500
    assert endpoint.post(event(5)).json == {"status": "ignored"}


@pytest.mark.parametrize(
    "secret",
    [
        {"client_secret": "pi_1_secret_2"},
        {"url": "https://x.example/?key=abcdef"},
        {"note": "4242 4242 4242 4242"},
        {"url": "https://user:word@x.example/"},
        {"key": "sk_test_51abcdef"},
        {"escaped": "sk_te\u0073t_\u00e9"},
    ],
)
def test_what_must_not_be_kept_is_not_kept(endpoint: Endpoint, secret: dict[str, str]) -> None:
    about = {"object": {"id": "ch_6", "inner": [secret]}}
    endpoint.post(event(6, data=about))
    kept = json.dumps(StripeEvent.objects.get(event_id="evt_6").payload)
    assert not any(word in kept for word in ("_secret_", "abcdef", "4242", "word@"))


def test_it_is_counted_and_written_like_any_other(
    endpoint: Endpoint, caplog: pytest.LogCaptureFixture
) -> None:
    def counted() -> float:
        labels = {"route": "webhook", "method": "POST", "status": "2xx"}
        return REGISTRY.get_sample_value("kopeck_requests_total", labels) or 0.0

    before = counted()
    with caplog.at_level(logging.INFO, "kopeck.access"):
        name = endpoint.post(event(7), path=f"{ADDRESS}/").headers["X-Request-ID"]
    assert counted() == before + 1
    (line,) = (record for record in caplog.records if record.name == "kopeck.access")
    facts = (line.method, line.path, line.status, line.account, line.request)  # type: ignore[attr-defined]
    assert facts == ("POST", f"{ADDRESS}/", 200, "default", name)


def test_a_body_that_breaks_off_is_no_event(endpoint: Endpoint) -> None:
    body = json.dumps(event(8))
    told = {"Host": "testserver", "Stripe-Signature": sign(body)}
    answer = endpoint.client.post(
        ADDRESS, data=body, headers=told, environ_overrides={"CONTENT_LENGTH": str(len(body) + 1)}
    )
    assert (answer.status_code, answer.json["error"]["code"]) == (400, "payload_unreadable")
    assert not StripeEvent.objects.filter(event_id="evt_8").exists()


def test_twenty_copies_in_front_are_one_event(endpoint: Endpoint) -> None:
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _number: endpoint.post(event(9)).json, range(20)))
    assert answers == [{"status": "ignored"}] * 20
    assert StripeEvent.objects.filter(event_id="evt_9").count() == 1
