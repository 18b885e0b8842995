"""One webhook attempt on the wire: the body, the `Stripe-Signature` header, the POST and what came back.

Plain `http.client`: an attempt needs one connection, no redirects (3xx is a failure for Stripe too) and a
hard time limit over the whole answer. Source: docs.stripe.com/webhooks (signatures, delivery behaviour).
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from stripe_sandbox.core.store import shown

KEPT_BYTES = 2048


@dataclass(frozen=True)
class Answer:
    """What an endpoint said: `status` None when it said nothing, `error` then tells why."""

    status: int | None
    body: str
    error: str | None
    duration_ms: int

    @property
    def ok(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def body_of(event: dict[str, Any]) -> bytes:
    """The event as the bytes to send: pretty-printed, as Stripe's are."""
    return json.dumps(shown(event), indent=2, ensure_ascii=False).encode()


def signature(body: bytes, secrets: Iterable[str], timestamp: int) -> str:
    """`t=..,v1=..`, one v1 for each secret that is valid now. The key is the literal `whsec_...` text."""
    signed = str(timestamp).encode() + b"." + body
    marks = [hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in secrets]
    return ",".join([f"t={timestamp}", *(f"v1={mark}" for mark in marks)])


def post(url: str, body: bytes, secrets: Iterable[str], timeout: float) -> Answer:
    """POST `body`, signed now, and wait at most `timeout` seconds for the answer. Never raises."""
    started = time.monotonic()
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        "Accept": "*/*; q=0.5, application/xml",
        "Cache-Control": "no-cache",
        "Connection": "close",
        # Receivers judge the age of a signature by their own clock, so this is real time, not the
        # sandbox's clock.
        "Stripe-Signature": signature(body, secrets, int(time.time())),
    }
    status, text, error = None, b"", None
    try:
        status, text = _exchange(url, body, headers, started + timeout)
    except TimeoutError:
        error = f"No answer within {timeout:g} s."
    except (OSError, http.client.HTTPException, ValueError) as failure:
        error = f"{type(failure).__name__}: {failure}"
    return Answer(
        status if error is None else None,
        text.decode("utf-8", "replace"),
        error,
        round((time.monotonic() - started) * 1000),
    )


def _exchange(url: str, body: bytes, headers: dict[str, str], deadline: float) -> tuple[int, bytes]:
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=_left(deadline))
    try:
        connection.connect()
        wire: socket.socket = connection.sock
        wire.settimeout(_left(deadline))
        connection.request(
            "POST", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""), body, headers
        )
        response = connection.getresponse()
        kept = b""
        # Read in pieces under one deadline: a slow drip must not hold a delivery thread for ever.
        while len(kept) < KEPT_BYTES:
            wire.settimeout(_left(deadline))
            piece = response.read1(KEPT_BYTES - len(kept))
            if not piece:
                break
            kept += piece
        return response.status, kept
    finally:
        connection.close()


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
