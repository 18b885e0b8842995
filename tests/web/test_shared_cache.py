"""nginx in front, which keeps what the shop says it may: the window for a second, and nobody's own page."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from kopeck.catalog.models import Item
from tests.support.lacking import lacks
from tests.support.serving import served
from tests.support.shop import make_item
from tests.support.starting import free_port

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

CONFIGURATION = """
{user}daemon off; error_log stderr; pid {folder}/pid;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    proxy_cache_path {folder}/kept keys_zone=kept:1m;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass {shop};
            proxy_set_header Host $http_host;
            proxy_cache kept;
            add_header X-Kept $upstream_cache_status always;
        }}
    }}
}}
"""


@pytest.fixture
def front(tmp_path: Path) -> Iterator[str]:
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin") or lacks("nginx")
    make_item(name="Pot", price=4820)
    with served(tmp_path) as shop:
        user = "user root; " if os.getuid() == 0 else ""  # whose folder it is, not nobody's
        port, file = free_port(), tmp_path / "nginx.conf"
        file.write_text(CONFIGURATION.format(user=user, folder=tmp_path, port=port, shop=shop.url))
        process = subprocess.Popen([nginx, "-p", str(tmp_path), "-c", str(file)])
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_for(url, process)
            yield url
        finally:
            process.terminate()
            process.wait()


def _wait_for(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        try:
            requests.get(f"{url}/healthz", timeout=30)
            return
        except requests.ConnectionError:
            time.sleep(0.1)
    raise AssertionError("nginx does not answer")


def from_cache(url: str, **how: object) -> bool:
    """Whether nginx answers by itself, within a few tries: each second it has to ask once."""
    return any(requests.get(url, timeout=30, **how).headers["X-Kept"] == "HIT" for _try in range(10))  # type: ignore[arg-type]


def test_nginx_serves_kept_pages_by_itself_and_nobody_elses_data(front: str) -> None:
    item = Item.objects.get()
    buyer = requests.Session()
    placed = buyer.post(
        f"{front}/order", {f"item_{item.pk}": "3"}, headers={"Accept": "text/html"}, timeout=30
    )
    assert "data-order-status" in placed.text
    for address in ("/", f"/item/{item.pk}"):
        assert from_cache(f"{front}{address}", cookies=buyer.cookies)
        page = requests.get(f"{front}{address}", timeout=30)
        assert "Set-Cookie" not in page.headers
        assert "/order/" not in page.text
        assert page.text == buyer.get(f"{front}{address}", timeout=30).text
    for address in ("/cart", "/orders", f"/item/{item.pk}?mine=1", f"{placed.url.removeprefix(front)}"):
        assert not from_cache(f"{front}{address}", cookies=buyer.cookies)
    assert 'value="3"' in buyer.get(f"{front}/cart", timeout=30).text
    assert 'value="3"' not in requests.get(f"{front}/cart", timeout=30).text
    assert requests.get(placed.url, timeout=30).status_code == 404
    russian = requests.get(f"{front}/", headers={"Accept-Language": "ru-RU"}, timeout=30).text
    assert "48,20" in russian


def test_a_changed_price_shows_through_nginx_within_seconds(front: str) -> None:
    assert from_cache(f"{front}/")
    Item.objects.update(price=4900)
    deadline = time.monotonic() + 30  # two seconds, on a machine of one's own
    while "$49.00" not in requests.get(f"{front}/", timeout=30).text:
        assert time.monotonic() < deadline
        time.sleep(0.1)
