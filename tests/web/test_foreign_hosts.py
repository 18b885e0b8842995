"""Whose Host is answered: the shop's own; at the addresses for machines anybody's, over plain HTTP too."""

from collections.abc import Iterator

import pytest
import requests
from django.test import Client

from tests.support.serving import Served, served

pytestmark = pytest.mark.django_db(transaction=True)
TOKEN = {"Authorization": "Bearer a-token-for-prometheus"}


@pytest.fixture(scope="module")
def shop(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    more = {"ALLOWED_HOSTS": "shop.example,127.0.0.1", "SITE_URL": "https://shop.example"}
    with served(tmp_path_factory.mktemp("web"), METRICS_TOKEN="a-token-for-prometheus", **more) as shop:
        yield shop


def ask(shop: Served, path: str, host: str, method: str = "GET") -> requests.Response:
    headers = {**TOKEN, "Host": host}
    return requests.request(method, f"{shop.url}{path}", headers=headers, timeout=30, allow_redirects=False)


def test_machines_are_answered_whatever_host_they_ask_for(shop: Served) -> None:
    before = len(shop.log.read_text())
    for host in ("10.42.0.7:8000", "web:8000", "shop.example"):
        for path in ("/healthz", "/readyz", "/metrics", "/metrics/", "/readyz/"):
            assert ask(shop, path, host).status_code == 200, (host, path)
    assert "kopeck_requests_total" in ask(shop, "/metrics", "10.42.0.7:8000").text
    assert requests.get(f"{shop.url}/metrics", headers={"Host": "web:8000"}, timeout=30).status_code == 401
    assert "DisallowedHost" not in shop.log.read_text()[before:]


@pytest.mark.parametrize(
    "path", ["/", "/orders", "/admin/", "/api/v1/openapi.json", "/metrics/x", "/nowhere"]
)
def test_everything_else_refuses_a_foreign_host_and_leads_to_https(shop: Served, path: str) -> None:
    assert ask(shop, path, "foreign.example").status_code == 400
    assert ask(shop, path, "shop.example").headers["Location"] == f"https://shop.example{path}"


def test_a_foreign_name_reads_no_figures_that_only_this_machine_may_read(client: Client) -> None:
    assert client.get("/metrics").status_code == 200
    assert client.get("/metrics", headers={"Host": "foreign.example"}).status_code == 400
    assert client.get("/", headers={"Host": "foreign.example"}).status_code == 400
