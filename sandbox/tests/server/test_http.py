"""HTTP itself: bodies that are too long, or that nobody can read, and what the server says of them."""

import json
import socket
from urllib.parse import urlsplit

import pytest

from sandbox_testing.server import CheckedSandbox

LONGEST = 4 * 1024 * 1024


def say(sandbox: CheckedSandbox, account: str, head: str, *pieces: bytes) -> tuple[int, bytes]:
    """(status, body) of the answer to a POST with these headers and this body, and of nothing after it."""
    place = urlsplit(sandbox.url)
    with socket.create_connection((place.hostname, place.port), timeout=120) as line:
        start = f"POST /v1/customers HTTP/1.1\r\nHost: {place.netloc}\r\nConnection: close\r\n"
        line.sendall(f"{start}Authorization: Bearer sk_test_{account}\r\n{head}\r\n\r\n".encode())
        for piece in pieces:
            line.sendall(piece)
        answer = b""
        while some := line.recv(65536):
            answer += some
    first, _, body = answer.partition(b"\r\n\r\n")
    return int(first.split()[1]), body


@pytest.mark.parametrize("chunked", [False, True])
def test_too_long_a_body_is_heard_out_and_refused(
    sandbox: CheckedSandbox, account: str, chunked: bool
) -> None:
    piece = b"x" * (1024 * 1024)
    if chunked:
        wrapped = b"%x\r\n%s\r\n" % (len(piece), piece)
        status, body = say(sandbox, account, "Transfer-Encoding: chunked", *[wrapped] * 9, b"0\r\n\r\n")
    else:
        status, body = say(sandbox, account, f"Content-Length: {9 * len(piece)}", *[piece] * 9)
    assert (status, json.loads(body)["error"]["type"]) == (413, "invalid_request_error")


def test_a_long_body_is_read(sandbox: CheckedSandbox, account: str) -> None:
    body = "&".join(f"metadata[key{number % 50}]={'v' * 500}" for number in range(7000)).encode()
    assert 3_000_000 < len(body) < LONGEST
    head = f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}"
    assert say(sandbox, account, head, body)[0] == 200


@pytest.mark.parametrize(
    ("head", "body"),
    [
        ("Content-Length: many", b""),
        ("Content-Length: -5", b""),
        ("Content-Length: " + "9" * 5000, b""),
        ("Transfer-Encoding: chunked", b"zz\r\n"),
        ("Transfer-Encoding: chunked", b"-5\r\n"),
    ],
)
def test_a_length_that_is_none_is_a_bad_request(
    sandbox: CheckedSandbox, account: str, head: str, body: bytes
) -> None:
    assert say(sandbox, account, head, body)[0] == 400
