"""Who asks: proxies that are trusted tell it, everybody else's forwarding headers change nothing."""

from ipaddress import ip_network
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory

from kopeck.web.proxies import HEADERS, proxies

PROXY, CHAIN, CLIENT = "10.0.0.7", "10.0.0.8", "203.0.113.9"


@pytest.fixture(autouse=True)
def trusted(settings: Any) -> None:
    settings.TRUSTED_PROXIES = [ip_network("10.0.0.0/8"), ip_network("2001:db8:aaaa::/48")]


def seen(peer: str, **headers: str) -> HttpRequest:
    """The request as everything behind the middleware sees it."""
    got: list[HttpRequest] = []

    def view(request: HttpRequest) -> HttpResponse:
        got.append(request)
        return HttpResponse()

    environ = {f"HTTP_{name.upper()}": value for name, value in headers.items()}
    proxies(view)(RequestFactory().get("/", REMOTE_ADDR=peer, **environ))  # type: ignore[arg-type]
    return got[0]


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        ("", PROXY),
        (CLIENT, CLIENT),
        (f"{CLIENT}:4711", CLIENT),
        (f" {CLIENT} , {CHAIN}", CLIENT),
        (f"1.2.3.4, {CLIENT}", CLIENT),
        (f"1.2.3.4, {CLIENT}, {CHAIN}, {CHAIN}", CLIENT),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]:443, 2001:db8:aaaa::5", "2001:db8::1"),
        ("::ffff:203.0.113.9", CLIENT),
        ('"[2001:db8::1]"', "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("unknown", PROXY),
        (f"{CLIENT}, unknown", PROXY),
        (f"{CLIENT}, , {CHAIN}", CHAIN),
        (f"{CLIENT}, <script>, {CHAIN}", CHAIN),
        ("1" * 100_000, PROXY),
        (f"{'1.2.3.4,' * 100_000} {CLIENT}", CLIENT),
        (f"{CHAIN}, {CHAIN}", CHAIN),
    ],
)
def test_a_trusted_proxy_tells_the_client_by_the_right_most_address_that_is_no_proxy(
    forwarded: str, address: str
) -> None:
    assert seen(PROXY, x_forwarded_for=forwarded).META["REMOTE_ADDR"] == address


@pytest.mark.parametrize(
    ("proto", "scheme"), [("https", "https"), ("HTTPS", "https"), ("http", "http"), ("https, http", "http"),
                          ("gopher", "http"), ("", "http")]
)  # fmt: skip
def test_a_trusted_proxy_tells_the_scheme(proto: str, scheme: str) -> None:
    request = seen(PROXY, x_forwarded_proto=proto)
    assert (request.scheme, request.is_secure()) == (scheme, scheme == "https")


@pytest.mark.parametrize("peer", [CLIENT, "2001:db8:bbbb::1", "", "unix:", "127.0.0.1"])
def test_forged_headers_of_a_stranger_change_nothing(peer: str) -> None:
    forged = {name.removeprefix("HTTP_").lower(): "10.0.0.9" for name in HEADERS}
    forged |= {"x_forwarded_proto": "https", "x_forwarded_host": "evil.example", "forwarded": "for=1.1.1.1"}
    request = seen(peer, **forged)
    assert request.META["REMOTE_ADDR"] == peer
    assert request.scheme == "http"
    assert request.get_host() == "testserver"
    assert not [name for name in HEADERS if name in request.META]


def test_nobody_is_trusted_where_no_proxy_is_named(settings: Any) -> None:
    settings.TRUSTED_PROXIES = []
    request = seen("127.0.0.1", x_forwarded_for=CLIENT, x_forwarded_proto="https")
    assert (request.META["REMOTE_ADDR"], request.scheme) == ("127.0.0.1", "http")


def test_the_shop_takes_https_from_its_proxy_alone(settings: Any, db: None) -> None:
    """Through the whole stack: elsewhere a forged header would end the redirect to https."""
    settings.SECURE_SSL_REDIRECT = True
    assert settings.SECURE_PROXY_SSL_HEADER is None
    https = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example"}
    assert Client(REMOTE_ADDR=PROXY).get("/orders", headers=https).status_code == 200
    answer = Client(REMOTE_ADDR=CLIENT).get("/orders", headers=https)
    assert (answer.status_code, answer["Location"]) == (301, "https://testserver/orders")


def test_an_unknown_proxy_is_warned_of_once(settings: Any, caplog: pytest.LogCaptureFixture) -> None:
    settings.TRUSTED_PROXIES = []
    caplog.set_level("WARNING")
    for _ in range(3):
        seen("172.18.0.3", x_forwarded_for=CLIENT)
        seen("8.8.8.8", x_forwarded_for=CLIENT)  # a stranger's forgery is not worth a line
    (line,) = [record.getMessage() for record in caplog.records]
    assert "172.18.0.3 forwards requests but is not one of TRUSTED_PROXIES" in line
