"""Faults of the API: each kind alone and exactly once, and what the unmodified stripe library makes of it."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import stripe

from sandbox_testing.own import Own, own_sandbox


@pytest.fixture(scope="module")
def server() -> Iterator[Own]:
    with own_sandbox() as own:
        yield own


@pytest.fixture
def own(server: Own) -> Iterator[Own]:
    server.box.faults.reset()
    server.client = server.client_of("t" + str(time.monotonic_ns()))
    yield server
    server.box.faults.reset()


def customers(own: Own) -> int:
    return len(own.client.v1.customers.list().data)


def test_an_error_before_the_work_leaves_nothing_done(own: Own) -> None:
    own.faults(next=[{"kind": "error"}])
    with pytest.raises(stripe.APIError) as failure:
        own.client.v1.customers.create({})
    assert failure.value.http_status == 500
    assert customers(own) == 0


def test_an_error_after_the_work_leaves_it_done(own: Own) -> None:
    own.faults(next=[{"kind": "error_after"}])
    with pytest.raises(stripe.APIError) as failure:
        own.client.v1.customers.create({})
    assert failure.value.http_status == 500
    assert customers(own) == 1


def test_a_cut_before_the_work_leaves_nothing_done(own: Own) -> None:
    own.faults(next=[{"kind": "cut_before"}])
    with pytest.raises(stripe.APIConnectionError):
        own.client.v1.customers.create({})
    assert customers(own) == 0


def test_a_cut_after_the_work_leaves_it_done(own: Own) -> None:
    own.faults(next=[{"kind": "cut_after"}])
    with pytest.raises(stripe.APIConnectionError):
        own.client.v1.customers.create({})
    assert customers(own) == 1


@pytest.mark.parametrize("kind", ["error", "error_after", "cut_before", "cut_after"])
def test_the_librarys_own_retry_does_the_work_once(own: Own, kind: str) -> None:
    tail = own.client._requestor.api_key.removeprefix("sk_test_")
    own.faults(next=[{"kind": kind}])
    made = own.client_of(tail, retries=2).v1.customers.create({"name": "once"})
    assert made.name == "once"
    assert [customer.id for customer in own.client.v1.customers.list().data] == [made.id]


def test_a_rate_limit_is_stripes_429(own: Own) -> None:
    own.faults(rate_limit_rate=1)
    with pytest.raises(stripe.RateLimitError) as failure:
        own.client.v1.customers.create({})
    own.faults(rate_limit_rate=0)
    assert failure.value.http_status == 429
    assert failure.value.error.code == "rate_limit"
    assert failure.value.headers["Stripe-Rate-Limited-Reason"] == "global-rate"
    assert customers(own) == 0


def test_a_lock_timeout_is_a_429_without_the_rate_limits_header(own: Own) -> None:
    own.faults(next=[{"kind": "lock_timeout"}])
    with pytest.raises(stripe.RateLimitError) as failure:
        own.client.v1.customers.create({})
    assert failure.value.error.code == "lock_timeout"
    assert "Stripe-Rate-Limited-Reason" not in failure.value.headers


def test_latency_makes_every_call_slow_until_it_is_taken_away(own: Own) -> None:
    own.faults(latency_ms=[200, 250])
    started = time.monotonic()
    own.client.v1.customers.create({})
    assert time.monotonic() - started >= 0.2
    own.faults(latency_ms=60_000)  # what begins while it is on is slow, what begins afterwards is not
    own.faults(latency_ms=0)
    started = time.monotonic()
    own.client.v1.customers.create({})
    assert time.monotonic() - started < 60


def test_a_one_shot_latency_longer_than_the_clients_patience_times_out(own: Own) -> None:
    tail = own.client._requestor.api_key
    pool = stripe.RequestsClient(timeout=0.3)
    hasty = stripe.StripeClient(tail, base_addresses={"api": own.url}, http_client=pool)
    own.faults(next=[{"kind": "latency", "ms": 700}])
    with pytest.raises(stripe.APIConnectionError):
        hasty.v1.customers.create({})
    pool.close()
    time.sleep(0.6)
    # The work was done all the same: the client only stopped listening.
    assert customers(own) == 1


def test_one_shots_strike_the_requests_they_fit_in_their_order(own: Own) -> None:
    own.faults(
        next=[
            {"kind": "error", "path": "/v1/coupons", "method": "POST"},
            {"kind": "rate_limit", "path": "^/v1/customers/cus_", "times": 2},
        ]
    )
    customer = own.client.v1.customers.create({})
    for _ in range(2):
        with pytest.raises(stripe.RateLimitError):
            own.client.v1.customers.retrieve(customer.id)
    own.client.v1.customers.retrieve(customer.id)
    assert own.client.v1.coupons.list().data == []
    with pytest.raises(stripe.APIError):
        own.client.v1.coupons.create({"percent_off": 1})
    own.client.v1.coupons.create({"percent_off": 1})
    assert own.control("GET", "faults")[1]["next"] == []
    assert own.control("GET", "faults/counts")[1] == {"error": 1, "rate_limit": 2}


def test_only_keeps_the_rates_to_some_requests(own: Own) -> None:
    own.faults(error_rate=1, only={"path": "/v1/coupons", "method": "post"})
    own.client.v1.customers.create({})
    own.client.v1.coupons.list()
    with pytest.raises(stripe.APIError):
        own.client.v1.coupons.create({"percent_off": 1})


def test_the_same_seed_throws_the_same_dice(own: Own) -> None:
    def outcomes() -> list[bool]:
        own.faults(seed=42, error_rate=0.5)
        found = []
        for _ in range(20):
            try:
                own.client.v1.customers.list()
                found.append(True)
            except stripe.APIError:
                found.append(False)
        return found

    first = outcomes()
    assert first == outcomes()
    assert len(set(first)) == 2


def test_control_itself_is_never_struck(own: Own) -> None:
    own.faults(error_rate=1, cut_before_rate=1)
    assert own.control("GET", "clock")[0] == 200


def test_every_setting_is_served_back_and_merged(own: Own) -> None:
    before = own.control("GET", "faults")[1]
    assert set(before) == set(own.control("GET", "faults/help")[1])
    own.faults(latency_ms=1, rounding="half_even")
    own.faults(webhook_reorder=3, latency_ms=[0, 2])
    changed = {"latency_ms": [0, 2], "rounding": "half_even", "webhook_reorder": 3}
    assert own.control("GET", "faults")[1] == before | changed
    assert own.control("PUT", "faults", before) == (200, before)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"eror_rate": 1}, "Unknown fault setting: eror_rate."),
        ({"error_rate": 1.5}, "error_rate is a rate: a number from 0 to 1."),
        ({"error_rate": True}, "error_rate is a rate: a number from 0 to 1."),
        ({"latency_ms": [5, 1]}, "latency_ms is a number of milliseconds, or [least, most]."),
        ({"next": {"kind": "error"}}, "next is a list of faults."),
        ({"next": [{"kind": "explode"}]}, "next: kind is one of latency, error,"),
        ({"next": [{"kind": "error", "times": 0}]}, "next: times is a whole number"),
        ({"next": [{"kind": "error", "path": "^("}]}, "next: path is no regular expression"),
        ({"only": {"host": "x"}}, "only is null or an object with path and method."),
        ({"rounding": "down"}, "rounding is one of half_up, half_even, total."),
        ({"webhooks_paused": 1}, "webhooks_paused is true or false."),
        ({"webhook_reorder": 1}, "webhook_reorder is true, false, or a window of at least 2 events."),
        ({"webhook_retry_seconds": 5}, "webhook_retry_seconds is a list of seconds"),
        ({"webhook_timeout_seconds": 0}, "webhook_timeout_seconds is a number of seconds above 0."),
        ({"seed": "x"}, "seed is a whole number or null."),
        ([], "Send a JSON object."),
    ],
)
def test_a_wrong_setting_is_refused_in_a_sentence_and_changes_nothing(
    own: Own, settings: object, sentence: str
) -> None:
    before = own.control("GET", "faults")[1]
    if isinstance(settings, dict):
        settings = {"cut_after_rate": 1, **settings}
    status, answer = own.control("PUT", "faults", settings)
    assert status == 400
    assert answer["error"]["message"].startswith(sentence)
    assert own.control("GET", "faults")[1] == before


def test_an_answer_that_is_held_back_comes_late_though_reads_time_out(own: Own) -> None:
    own.faults(next=[{"kind": "held_back", "method": "POST", "path": "/v1/customers", "ms": 1500}])
    tail = own.client._requestor.api_key.removeprefix("sk_test_")
    hasty = stripe.StripeClient(
        f"sk_test_{tail}",
        base_addresses={"api": own.url},
        http_client=stripe.RequestsClient(timeout=(1, 1)),
        max_network_retries=0,
    )
    began = time.monotonic()
    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(hasty.v1.customers.create, {"name": "late"})
        while not customers(own):  # done long before it is answered
            assert time.monotonic() - began < 30
        assert not late.done()
        made = late.result()
    assert made.name == "late"
    assert time.monotonic() - began >= 1.5
    assert own.box.faults.counts["held_back"] == 1
    assert own.client.v1.customers.create({"name": "prompt"}).name == "prompt"


def test_a_client_that_does_not_wait_for_a_held_back_answer_harms_nobody(own: Own) -> None:
    own.faults(next=[{"kind": "held_back", "method": "POST", "path": "/v1/customers", "ms": 60_000}])
    host, _, port = own.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=120) as hasty:
        hasty.sendall(
            b"POST /v1/customers HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer sk_test_hasty\r\n"
            b"Content-Length: 0\r\n\r\n"
        )
        assert hasty.recv(100).startswith(b"HTTP/1.1 100 ")
    assert own.client.v1.customers.create({"name": "other"}).name == "other"


def test_keys_of_another_account_know_nothing_of_this_one(own: Own) -> None:
    mine = own.client.v1.customers.create({"name": "mine"})
    own.faults(other_account=True)
    with pytest.raises(stripe.InvalidRequestError) as failure:
        own.client.v1.customers.retrieve(mine.id)
    assert (failure.value.http_status, failure.value.code) == (404, "resource_missing")
    assert customers(own) == 0
    theirs = own.client.v1.customers.create({"name": "theirs"})
    own.faults(other_account=False)
    assert [customer.id for customer in own.client.v1.customers.list().data] == [mine.id]
    with pytest.raises(stripe.InvalidRequestError):
        own.client.v1.customers.retrieve(theirs.id)
    assert own.box.faults.counts["other_account"] == 3
