"""`make audit` passes only where an advisories service has said of every package that nothing is known."""

import json
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tests.support.starting import BASE_DIR, clean_env, free_port

WEAKNESS = {
    "id": "PYSEC-2026-1",
    "summary": "It opens the door.",
    "details": "It opens the door.",
    "affected": [
        {
            "package": {"name": "django", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99.1"}]}],
        }
    ],
}


class Advisories(BaseHTTPRequestHandler):
    """Answers as the OSV service does: `{}` for a package of which nothing is known."""

    known_of = ""
    asked: list[str]

    def do_POST(self) -> None:
        wanted = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["package"]["name"]
        self.asked.append(wanted)
        body = json.dumps({"vulns": [WEAKNESS]} if wanted == self.known_of else {}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def advisories() -> Iterator[tuple[type[Advisories], str]]:
    class Service(Advisories):
        asked: list[str] = []

    server = HTTPServer(("127.0.0.1", 0), Service)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Service, f"http://127.0.0.1:{server.server_port}/v1/query"
    server.shutdown()
    server.server_close()


def audit(address: str) -> "subprocess.CompletedProcess[str]":
    command = ["make", "audit", f"ADVISORIES={address}", "DEV_STAMP="]
    return subprocess.run(
        command, cwd=BASE_DIR, env=clean_env(), capture_output=True, text=True, timeout=110, check=False
    )


def test_where_nobody_can_be_asked_it_says_so_and_fails() -> None:
    ran = audit(f"http://127.0.0.1:{free_port()}/v1/query")
    assert ran.returncode != 0
    assert "the advisories could not be asked for" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_where_nothing_is_known_of_every_package_it_passes(advisories: tuple[type[Advisories], str]) -> None:
    service, address = advisories
    ran = audit(address)
    assert ran.returncode == 0, ran.stderr
    assert "No known vulnerabilities found" in ran.stdout
    assert {"django", "stripe", "psycopg", "pillow", "granian", "django-otp"} <= set(service.asked)


def test_a_known_weakness_is_named_and_fails(advisories: tuple[type[Advisories], str]) -> None:
    service, address = advisories
    service.known_of = "django"
    ran = audit(address)
    assert ran.returncode != 0
    assert "PYSEC-2026-1" in ran.stdout
    assert "could not be asked" not in ran.stderr
