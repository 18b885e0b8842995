"""A proxy that notes what it is asked for, and refuses it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

#: Every spelling that programs read.
NAMES = [name for base in ("http", "https", "all") for name in (f"{base}_proxy", f"{base}_proxy".upper())]


class RecordingProxy(ThreadingHTTPServer):
    """`asked`: the first line of each request, without its HTTP version; all are answered with `status`.

    `logins`: what they had for Authorization.
    """

    daemon_threads = True

    def __init__(self, status: int) -> None:
        super().__init__(("127.0.0.1", 0), _Recording)
        self.status = status
        self.asked: list[str] = []
        self.logins: list[str | None] = []

    @property
    def env(self) -> dict[str, str]:
        """The environment of a machine whose way to the internet is this proxy."""
        return dict.fromkeys(NAMES, f"http://127.0.0.1:{self.server_port}")


class _Recording(BaseHTTPRequestHandler):
    server: RecordingProxy

    def record(self) -> None:
        self.server.asked.append(f"{self.command} {self.path}")
        self.server.logins.append(self.headers.get("Authorization"))
        self.close_connection = True
        self.send_error(self.server.status)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_CONNECT = record

    def log_message(self, *_args: Any) -> None:
        pass


@contextmanager
def recording_proxy(status: int = 502) -> Iterator[RecordingProxy]:
    with RecordingProxy(status) as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
