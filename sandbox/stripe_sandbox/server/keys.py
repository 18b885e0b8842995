"""API keys: any `sk_test_<tail>`, `rk_test_<tail>`, `pk_test_<tail>` with one tail are the keys of one
account."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass

from stripe_sandbox.core.errors import StripeError

KEY = re.compile(r"(sk|rk|pk)_test_([A-Za-z0-9_]{1,240})")
DOCS = "https://stripe.com/docs/api#authentication"


@dataclass(frozen=True)
class Key:
    account: str  # the tail
    publishable: bool


def read_key(header: str | None) -> Key:
    """The key of an Authorization header, Bearer or Basic. Raises StripeError (401)."""
    scheme, _, credentials = (header or "").strip().partition(" ")
    given = credentials.strip()
    if scheme.lower() == "basic":
        given = _basic(given)
    elif scheme.lower() != "bearer":
        given = ""
    if not given:
        raise _refused(
            "You did not provide an API key. You need to provide your API key in the Authorization header, "
            f"using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY'). See {DOCS} for details, or "
            "we can help at https://support.stripe.com/."
        )
    match = KEY.fullmatch(given)
    if not match:
        raise _refused(f"Invalid API Key provided: {masked(given)}")
    return Key(account=match[2], publishable=match[1] == "pk")


def masked(key: str) -> str:
    """Enough of a key to know it again: `sk_live_****4242`."""
    head = "_".join(key.split("_")[:2]) + "_" if key.count("_") >= 2 else ""
    tail = key[-4:] if len(key) > len(head) + 4 else ""
    return f"{head}{'*' * max(len(key) - len(head) - len(tail), 1)}{tail}"


def account_id(account: str) -> str:
    """`acct_...`, always the same one for the same key tail."""
    return "acct_" + hashlib.sha256(account.encode()).hexdigest()[:16]


def check_account(account: str, wanted: str | None) -> None:
    """`wanted` is an account named in a path, or in the header Stripe-Account. There is no Connect: a key has
    none but its own."""
    if wanted is None or wanted == account_id(account):
        return
    raise StripeError(
        403,
        "invalid_request_error",
        f"The provided key does not have access to account '{wanted}' (or that account does not exist). "
        "Application access may have been revoked.",
        code="account_invalid",
        stored=False,
    )


def secret_key_required() -> StripeError:
    return StripeError(
        401,
        "invalid_request_error",
        "This API call cannot be made with a publishable API key. Please use a secret API key. You can find "
        "a list of your API keys at https://dashboard.stripe.com/account/apikeys.",
        code="secret_key_required",
    )


def _basic(credentials: str) -> str:
    try:
        return base64.b64decode(credentials, validate=True).decode().partition(":")[0]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _refused(message: str) -> StripeError:
    return StripeError(
        401, "invalid_request_error", message, headers={"WWW-Authenticate": 'Bearer realm="Stripe"'}
    )
