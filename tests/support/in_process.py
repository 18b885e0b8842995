"""The sandbox answers in the caller's own thread: the same library, HTTP client and application.

Only the socket between them is left out, which costs nearly half of a call. Whatever is about the line itself
goes by the socket: while a fault is on, and in tests with the mark `sockets`.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch
from urllib.parse import unquote, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPResponse

from sandbox_testing.server import CheckedSandbox
from stripe_sandbox.core.faults import SPEC

HEALTHY = {name: default for name, (default, *_) in SPEC.items()}


@contextmanager
def answered_here(sandbox: CheckedSandbox) -> Iterator[None]:
    """For as long as the block lasts, what `requests` sends to this sandbox never leaves the process."""
    by_socket = HTTPAdapter.send

    def send(
        adapter: HTTPAdapter, request: requests.PreparedRequest, *args: Any, **how: Any
    ) -> requests.Response:
        here = str(request.url).startswith(f"{sandbox.url}/")
        if here and sandbox.box.faults.settings() == HEALTHY:
            return adapter.build_response(request, _answer(sandbox, request))  # type: ignore[no-untyped-call]
        return by_socket(adapter, request, *args, **how)

    with patch.object(HTTPAdapter, "send", send):
        yield


def _answer(sandbox: CheckedSandbox, request: requests.PreparedRequest) -> HTTPResponse:
    started: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        started[:] = [int(status.partition(" ")[0]), headers]

    body = b"".join(sandbox.checked(_environ(request), start_response))
    status, headers = started
    return HTTPResponse(io.BytesIO(body), headers, status, preload_content=False)


def _environ(request: requests.PreparedRequest) -> dict[str, Any]:
    """What the sandbox's server makes of the request (PEP 3333)."""
    at, sent = urlsplit(str(request.url)), request.body or b""
    body = sent.encode() if isinstance(sent, str) else sent
    headers = {
        f"HTTP_{name.upper().replace('-', '_')}": value
        for name, value in request.headers.items()
        if name.lower() not in ("content-type", "content-length")
    }
    return {
        **headers,
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote(at.path, "latin-1"),
        "QUERY_STRING": at.query,
        "CONTENT_TYPE": request.headers.get("Content-Type", ""),
        "CONTENT_LENGTH": str(len(body)),
        "SERVER_NAME": at.hostname,
        "SERVER_PORT": str(at.port),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": at.netloc,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": at.scheme,
        "wsgi.input": io.BytesIO(body),
        "wsgi.input_terminated": True,
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
