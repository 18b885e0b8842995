"""Whose Host the sandbox answers, and which web pages use it: a name turned to this machine gets nothing."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from sandbox_testing.own import Own, own_sandbox
from sandbox_testing.program import address_of, start
from stripe_sandbox.app import create_app
from stripe_sandbox.box import Box
from stripe_sandbox.server.hosts import read_names

KEY = {"Authorization": "Bearer sk_test_kopeck"}
#: One address of each kind: API, control, page of payment, dashboard, static file, script, nothing.
PATHS = ("/v1/customers", "/_sandbox/ledger", "/c/pay/cs_test_1", "/", "/assets/sandbox.css", "/v3/", "/x")
FOREIGN = (
    "evil.example",
    "evil.example:8420",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "10.0.0.7",
)


@pytest.fixture(scope="module")
def own() -> Iterator[Own]:
    with own_sandbox() as own:
        yield own


def ask(url: str, path: str, host: str, **more: Any) -> requests.Response:
    headers = {**KEY, "Host": host, **more.pop("headers", {})}
    return requests.request(more.pop("method", "GET"), f"{url}{path}", headers=headers, timeout=120, **more)


@pytest.mark.parametrize("path", PATHS)
def test_a_foreign_name_is_refused_everywhere_and_told_which_setting_would_allow_it(
    own: Own, path: str
) -> None:
    for host in FOREIGN:
        answer = ask(own.url, path, host)
        assert answer.status_code == 403, (host, path)
        error = answer.json()["error"]
        assert (error["type"], error["code"]) == ("invalid_request_error", "host_not_allowed")
        assert f"SANDBOX_ALLOWED_HOSTS={host.partition(':')[0]}" in error["message"]
    assert ask(own.url, "/_sandbox/reset", "evil.example", method="POST").status_code == 403


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:8420", "localhost.", "shop.localhost:1", "127.0.0.1", "[::1]:8420", "[::1]"],
)
def test_the_names_of_this_machine_are_answered(own: Own, host: str) -> None:
    for path in ("/v1/customers", "/_sandbox/ledger", "/", "/assets/sandbox.css", "/v3/"):
        assert ask(own.url, path, host).status_code == 200, path


@pytest.mark.parametrize(
    "host", ["", "@localhost", "x@localhost", "localhost:x", "[::1", "local host", "::1"]
)
def test_a_host_that_is_none_is_refused(host: str) -> None:
    box = Box()
    try:
        answer = create_app(box).test_client().get("/", headers={"Host": host})
        assert answer.status_code == 403
    finally:
        box.close()


def test_allowed_are_the_names_that_were_given_and_where_browsers_find_it() -> None:
    box = Box(public_url="https://sandbox-8420.forwarded.example/")
    try:
        client = create_app(box, read_names("sandbox, .internal.example,xn--bcher-kva.example")).test_client()
        for host in (
            "sandbox:8420",
            "a.internal.example",
            "xn--bcher-kva.example",
            "sandbox-8420.forwarded.example",
        ):
            assert client.get("/", headers={"Host": host}).status_code == 200, host
        for host in ("sandbox.example", "ainternal.example", "forwarded.example"):
            assert client.get("/", headers={"Host": host}).status_code == 403, host
    finally:
        box.close()


def test_names_are_read_as_people_write_them() -> None:
    assert read_names(" Sandbox:8420, http://bücher.example:8420/ ,, [::1] ") == (
        *("sandbox", "xn--bcher-kva.example", "::1"),
    )
    for wrong in ("*", "a b", "http://", "a/b", "."):
        with pytest.raises(ValueError, match="SANDBOX_ALLOWED_HOSTS"):
            read_names(f"localhost,{wrong}")


EMPTY = ("--memory", "--port", "0")


def test_the_program_takes_names_from_its_command_line_and_its_environment() -> None:
    with start(
        *EMPTY, "--allowed-host", "one.example", SANDBOX_ALLOWED_HOSTS="two.example,three.example"
    ) as process:
        url = address_of(process)
        for host, status in {"one.example": 200, "three.example": 200, "four.example": 403}.items():
            assert ask(url, "/", host).status_code == status, host
        process.terminate()
    with start(*EMPTY, SANDBOX_ALLOWED_HOSTS="http://") as process:
        said = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    assert said == "SANDBOX_ALLOWED_HOSTS is a list of names like sandbox or 192.168.1.5, not 'http://'.\n"


PAGES = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:1"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:1"},
]


@pytest.mark.parametrize("page", PAGES, ids=json.dumps)
def test_a_page_of_another_site_controls_nothing_and_has_no_use_of_a_secret_key(
    own: Own, page: dict[str, str]
) -> None:
    host = own.url.removeprefix("http://")
    own.client_of("kopeck").v1.customers.create({"name": "kept"})
    simple = {"Content-Type": "text/plain", **page}
    for method, path in (("POST", "reset"), ("PUT", "faults"), ("POST", "clock/advance")):
        answer = ask(own.url, f"/_sandbox/{path}", host, method=method, headers=simple, data="{}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "cross_site"), path
    for method in ("GET", "POST"):
        answer = ask(own.url, "/v1/customers", host, method=method, headers=page)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "cross_site")
    assert len(own.client_of("kopeck").v1.customers.list().data) >= 1


def test_its_own_pages_and_programs_go_on(own: Own) -> None:
    host = own.url.removeprefix("http://")
    for page in ({}, {"Origin": own.url}, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}):
        headers = {"Content-Type": "application/json", **page}
        answer = ask(
            own.url, "/_sandbox/clock/advance", host, method="POST", headers=headers, data='{"seconds": 0}'
        )
        assert answer.status_code == 200, page
        assert ask(own.url, "/v1/customers", host, headers=page).status_code == 200
    # A shop's page pays with its publishable key from wherever it is.
    page = {
        "Authorization": "Bearer pk_test_kopeck",
        "Origin": "https://shop.example",
        "Sec-Fetch-Site": "cross-site",
    }
    answer = ask(own.url, "/v1/payment_methods", host, method="POST", headers=page, data={"type": "card"})
    assert answer.json()["error"].get("code") != "cross_site"
