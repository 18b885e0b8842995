"""Addresses that a shop gives: read, or found to be none."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

from stripe_sandbox.core.errors import invalid


def parts(text: str) -> SplitResult | None:
    """The parts of an address; None where they cannot be told apart (`http://[`, a port of letters)."""
    try:
        found = urlsplit(text)
        found.port  # noqa: B018 - read, and refused, only when it is asked for
    except ValueError:
        return None
    return found


def is_web(text: str) -> bool:
    """Whether a browser, or a webhook, could go there."""
    found = parts(text)
    if found is None or found.scheme not in ("http", "https") or not found.hostname:
        return False
    return not any(mark.isspace() for mark in text)


def check_return(url: str | None) -> None:
    """Of an intent's `return_url`, which may lead to an app as well. Raises StripeError (400)."""
    found = parts(url or "http:")
    if found is None or not found.scheme:
        message = "Invalid URL: An explicit scheme (such as https) must be provided."
        raise invalid(message, code="url_invalid", param="return_url")
