"""Web servers are replaced one after the other, as deploy/update does it, while visitors browse and buy."""

import http.client
import signal
from urllib.parse import urlsplit

import pytest

from tests.system.ship.load import Load
from tests.system.ship.servers import Servers, get, status, wait_for


def test_an_update_under_load_loses_no_request(servers: Servers) -> None:
    load = Load(servers.shop).start()
    try:
        for number in range(2):
            old = servers.running_web(number)
            old.send_signal(signal.SIGTERM)
            assert old.wait(240) == 0
            new = servers.processes[1 + number] = servers.start_web(number)
            wait_for(f"{servers.web[number]}/readyz", 200, new)
    finally:
        load.stop()
    assert load.failures == []
    assert load.total > 50
    assert load.answers[303] > 0, "nobody has bought by a form"


def test_a_new_server_that_is_not_ready_gets_nobody(servers: Servers) -> None:
    old = servers.running_web(0)
    old.send_signal(signal.SIGTERM)
    assert old.wait(240) == 0
    broken = servers.processes[1] = servers.start_web(0, DATABASE_URL="postgresql://127.0.0.1:1/nowhere")
    wait_for(f"{servers.web[0]}/healthz", 200, broken)
    load = Load(servers.shop).start()
    try:
        wait_for(f"{servers.web[0]}/readyz", 503, broken)
    finally:
        load.stop()
    assert load.failures == []
    broken.send_signal(signal.SIGINT)
    broken.wait(240)
    good = servers.processes[1] = servers.start_web(0)
    wait_for(f"{servers.web[0]}/readyz", 200, good)


def test_a_server_that_is_stopped_serves_on_until_it_has_been_noticed(servers: Servers) -> None:
    old = servers.running_web(1)
    old.send_signal(signal.SIGTERM)
    wait_for(f"{servers.web[1]}/readyz", 503, old)
    assert status(f"{servers.web[1]}/") == 200
    assert old.wait(240) == 0
    assert status(f"{servers.shop}/") == 200
    new = servers.processes[2] = servers.start_web(1)
    wait_for(f"{servers.web[1]}/readyz", 200, new)


def test_the_figures_are_not_to_be_had_through_caddy(servers: Servers) -> None:
    for path in ("/metrics", "/metrics/", "/metrics?x=1", "/%6Detrics", "//metrics", "/METRICS"):
        # The shop's own 404 is a page: nothing in it means that the shop was not even asked.
        assert get(f"{servers.shop}{path}") == (404, b""), path


@pytest.mark.parametrize("size", [3_000_000, 11_000_000, 50_000_000])
def test_a_body_that_is_too_large_is_refused_and_not_lost(servers: Servers, size: int) -> None:
    """By the shop what the door lets through, by the door the rest; never 502 for what was being sent."""
    assert {answer_to(servers.shop, size) for _ in range(10)} == {413}


def answer_to(address: str, size: int) -> int:
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=240)
    try:
        connection.putrequest("POST", "/api/v1/orders")
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", str(size))
        connection.endheaders()
        try:
            for _ in range(size // 1_000_000):
                connection.send(b" " * 1_000_000)
        except OSError:
            pass  # the door was shut before all of it was said
        return connection.getresponse().status
    finally:
        connection.close()
