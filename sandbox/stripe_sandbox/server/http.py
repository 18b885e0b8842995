"""HTTP as Stripe's servers speak it: a thread a connection, keep-alive, quiet."""

from __future__ import annotations

import io
import re
import socket
import sys
import threading
import time
from contextlib import suppress
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

#: Of a request's environ: how many milliseconds its answer is held back.
HELD_BACK = "sandbox.held_back_ms"
#: Seconds between two interim answers while an answer is held back: less than any client's read times out.
SIGN_OF_LIFE = 0.5
#: The longest body; one that is longer is refused by Flask.
LONGEST_BODY = 4 * 1024 * 1024
PIECE = 64 * 1024
OF_THE_SERVER = ("content-length", "connection")
LENGTH = re.compile(r"[0-9]{1,18}")


class BadBody(Exception):
    """A body whose length cannot be made out: there is no telling where the next request begins."""


class Connections:
    """The open sockets of one server, so that stopping it hangs up on clients that keep theirs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._closed = False

    def add(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.add(connection)
            if self._closed:
                _shut(connection)

    def discard(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.discard(connection)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            for connection in self._open:
                _shut(connection)


def _shut(connection: socket.socket) -> None:
    with suppress(OSError):  # the client was quicker
        connection.shutdown(socket.SHUT_RDWR)


class Handler(WSGIRequestHandler):
    """Werkzeug's handler closes each connection and waits 10 ms for leftovers; this one reads the body first
    and keeps the connection, as Stripe's own servers do, so that clients meet pooled connections here too."""

    connections: Connections  # those of the server it belongs to
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 75

    def setup(self) -> None:
        super().setup()
        self.connections.add(self.connection)

    def finish(self) -> None:
        self.connections.discard(self.connection)
        super().finish()

    def run_wsgi(self) -> None:
        if self.headers.get("Expect", "").lower().strip() == "100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        environ = self.make_environ()
        try:
            body = self._body(environ)
        except BadBody:
            self.close_connection = True
            self.send_error(400)
            return
        if environ.pop("HTTP_TRANSFER_ENCODING", None):
            environ["CONTENT_LENGTH"] = str(len(body))
        environ["wsgi.input"] = io.BytesIO(body)
        environ["wsgi.input_terminated"] = True
        status, headers, answer = _run(self.server.app, environ)
        self._hold_back(environ.get(HELD_BACK, 0) / 1000)
        lines = [f"{self.protocol_version} {status}", f"Server: {self.version_string()}"]
        if not any(name.lower() == "date" for name, _ in headers):  # the API's answers tell the box's time
            lines.append(f"Date: {self.date_time_string()}")
        kept = [f"{name}: {value}" for name, value in headers if name.lower() not in OF_THE_SERVER]
        head = "\r\n".join([*lines, *kept, f"Content-Length: {len(answer)}", "", ""]).encode("latin-1")
        self.wfile.write(head if self.command == "HEAD" else head + answer)  # at once: each write is a packet
        self.wfile.flush()

    def _hold_back(self, seconds: float) -> None:
        """As on a line that loses nearly everything: what comes through keeps the client's read from timing
        out, and the answer comes late. An interim answer is skipped by every client (RFC 9110, 15.2)."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.wfile.flush()
            time.sleep(min(left, SIGN_OF_LIFE))

    def _body(self, environ: dict[str, Any]) -> bytes:
        """What was sent. Of too much the rest is heard out and dropped: who is hung up on while it is sending
        never reads the answer."""
        chunked = environ.get("wsgi.input_terminated")  # werkzeug has wrapped the stream
        length = environ.get("CONTENT_LENGTH") or "0"
        if not chunked and not LENGTH.fullmatch(length):
            raise BadBody(length)
        left = sys.maxsize if chunked else int(length)
        kept = bytearray()
        try:
            while left and (piece := environ["wsgi.input"].read(min(left, PIECE))):
                left -= len(piece)
                if len(kept) <= LONGEST_BODY:
                    kept += piece
        except (TimeoutError, ConnectionError):
            raise
        except OSError as error:  # no chunks
            raise BadBody(str(error)) from error
        return bytes(kept)

    def log(self, type: str, message: str, *args: Any) -> None:
        """Stay quiet: the dashboard and the clients tell what was asked."""


def _run(app: WSGIApplication, environ: dict[str, Any]) -> tuple[str, list[tuple[str, str]], bytes]:
    started: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        started[:] = [(status, headers)]
        return lambda data: None

    answer: StartResponse = start_response
    chunks = app(environ, answer)
    try:
        body = b"".join(chunks)
    finally:
        if hasattr(chunks, "close"):
            chunks.close()
    status, headers = started[0]
    return status, headers, body


def bind(host: str, port: int, app: WSGIApplication, connections: Connections) -> BaseWSGIServer:
    """Listen; OSError where the port is taken. (Werkzeug's own binding prints and exits instead.)"""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    handler = type("Handler", (Handler,), {"connections": connections})
    listener = socket.create_server((host, port), family=family, backlog=128)
    with listener:
        # Werkzeug listens on a duplicate of the descriptor, so ours must be closed here.
        return make_server(host, port, app, threaded=True, request_handler=handler, fd=listener.fileno())
