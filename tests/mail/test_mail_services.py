"""The same mails by other ways: a service of django-anymail's, and files where no mail server is named."""

import json
import stat
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from kopeck.mail.models import Mail
from tests.support.buying import paid_order
from tests.support.shop import ShopSandbox
from tests.support.worker import forget_jobs, work

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _empty_queue(db: None) -> None:
    forget_jobs()


@pytest.fixture
def asked() -> Iterator[tuple[str, list[tuple[str, dict[str, Any]]]]]:
    """The address of a service that speaks as Postmark's, and the tokens and mails that it was given."""
    taken: list[tuple[str, dict[str, Any]]] = []

    class Service(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            taken.append((self.headers["X-Postmark-Server-Token"], body))
            answer = json.dumps(
                {"To": body["To"], "MessageID": "1", "ErrorCode": 0, "Message": "OK"}
            ).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_args: Any) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/", taken
    server.shutdown()
    server.server_close()


def test_a_service_of_anymails_sends_them(
    sandbox: ShopSandbox, buyer: Client, deliver: Any, settings: Any, asked: Any
) -> None:
    address, taken = asked
    settings.EMAIL_BACKEND = "anymail.backends.postmark.EmailBackend"
    settings.ANYMAIL = {"POSTMARK_SERVER_TOKEN": "a-token", "POSTMARK_API_URL": address}
    paid_order(sandbox, buyer, deliver)
    work()
    mail = Mail.objects.get()
    assert (mail.status, mail.problem) == ("sent", "")
    ((token, body),) = taken
    assert (token, body["To"], body["Subject"]) == ("a-token", "buyer@example.com", mail.subject)
    assert body["TextBody"] == mail.text
    assert {"Name": "Message-ID", "Value": f"<{mail.key}@localhost>"} in body["Headers"]


def test_without_a_mail_server_they_are_files_to_look_at(
    sandbox: ShopSandbox, buyer: Client, deliver: Any, settings: Any, tmp_path: Path
) -> None:
    settings.EMAIL_BACKEND = "kopeck.mail.files.EmailBackend"
    settings.EMAIL_FILE_PATH = folder = tmp_path / "mail"
    folder.mkdir()
    (folder / "an-earlier-one.log").write_text("To: buyer@example.com")
    for path, mode in {folder: 0o755, folder / "an-earlier-one.log": 0o644}.items():
        path.chmod(mode)
    order = paid_order(sandbox, buyer, deliver)
    work()
    earlier, file = sorted(folder.iterdir(), key=lambda path: path.name != "an-earlier-one.log")
    assert [stat.S_IMODE(path.stat().st_mode) for path in (folder, earlier, file)] == [0o700, 0o600, 0o600]
    assert f"Subject: Kopeck: order {order.pk} is paid" in file.read_text()
