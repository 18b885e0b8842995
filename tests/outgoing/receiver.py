"""A program that is told: it keeps what it gets, and answers as it is told to."""

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from kopeck.outgoing.models import Endpoint, Event


class Receiver(ThreadingHTTPServer):
    """`got`: headers and body of each request. `answer`: the status of the next answers."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.answer = 200
        self.location = ""
        #: What is done in place of an answer.
        self.instead: Callable[[Any], None] | None = None
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hooks?shop=1"

    def close(self) -> None:
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.got.append(({**headers, ":path": self.path}, body))
        if self.server.instead is not None:
            self.server.instead(self)
            return
        self.send_response(self.server.answer)
        if self.server.location:
            self.send_header("Location", self.server.location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        self.server.got.append(({":path": self.path}, b""))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *words: Any) -> None:
        pass


def make_endpoint(url: str, *events: Event, **facts: Any) -> Endpoint:
    endpoint = Endpoint(url=url, events=[event.value for event in events or Event], **facts)
    endpoint.give_secret()
    endpoint.save()
    return endpoint
