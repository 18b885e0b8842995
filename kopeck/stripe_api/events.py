"""Stripe's events as they come: signed, and as PostgreSQL can keep them.

What a signature proves may still be odd JSON.
"""

import json
import math
import re
from typing import Any

import stripe

from kopeck.stripe_api.accounts import Account

#: Seconds after which a signed event is refused as a replay.
TOLERANCE = 300
_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")


class BadEvent(Exception):
    """A webhook call that proves nothing. `code` names which check failed."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


def sign(account: Account, body: str) -> str:
    """A Stripe-Signature header as Stripe would make it now, with the account's first webhook secret."""
    return str(stripe.WebhookSignature.generate_signature_header(body, account.webhook_secrets[0]))


def read_event(account: Account, body: bytes, signature: str) -> dict[str, Any]:
    """The event that Stripe signed: the raw bytes, tried with each of the account's secrets. Or BadEvent."""
    if not signature.isascii():
        raise BadEvent("signature_wrong", "The Stripe-Signature header is no signature.")
    if not signature:
        raise BadEvent("signature_missing", "The Stripe-Signature header is missing.")
    try:
        payload = body.decode()
    except UnicodeDecodeError:
        raise BadEvent("payload_unreadable", "The body is not UTF-8.") from None
    problems = []
    for secret in account.webhook_secrets:
        try:
            stripe.WebhookSignature.verify_header(payload, signature, secret, TOLERANCE)
            break
        except stripe.SignatureVerificationError as error:
            problems.append(str(error))
    else:
        if any("tolerance" in problem for problem in problems):
            raise BadEvent("signature_too_old", "The signature is older than five minutes: check the clock.")
        raise BadEvent(
            "signature_wrong", "No webhook secret of this account made this signature of this body."
        )
    try:
        event = storable(payload)
    except (ValueError, RecursionError):
        raise BadEvent("payload_unreadable", "The body is not JSON.") from None
    if (
        not isinstance(event, dict)
        or not isinstance(event.get("id"), str)
        or not isinstance(event.get("type"), str)
    ):
        raise BadEvent("payload_unreadable", "The body is not an event.")
    return event


def storable(payload: str) -> Any:
    """The JSON, with what PostgreSQL keeps in no text (NUL, half a surrogate pair) replaced.

    ValueError for what is none, and for numbers that it does not keep (NaN, Infinity, 1e999).
    """
    text = _NUL.sub(r"\1\\ufffd", payload) if "\\u0000" in payload else payload
    event = json.loads(text, parse_constant=_finite, parse_float=_finite)
    if "\\ud" in payload.lower():
        event = json.loads(json.dumps(event, ensure_ascii=False).encode(errors="replace"))
    return event


def _finite(written: str) -> float:
    number = float(written)
    if not math.isfinite(number):
        raise ValueError(f"{written[:20]} is no number of JSON's")
    return number
