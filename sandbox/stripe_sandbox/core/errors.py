"""Stripe's errors: the JSON body, and the texts that Stripe itself sends where they are known."""

from __future__ import annotations

from typing import Any

DOCS = "https://stripe.com/docs/error-codes/"


class StripeError(Exception):
    """An answer that is an error. `keeps_work` means that what the handler wrote stays (a declined charge);
    otherwise the kernel rolls the transaction back. `stored` False keeps it from the idempotency record."""

    def __init__(
        self,
        status: int,
        type: str,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        headers: dict[str, str] | None = None,
        keeps_work: bool = False,
        stored: bool = True,
        **extra: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.type = type
        self.message = message
        self.code = code
        self.param = param
        self.headers = headers or {}
        self.keeps_work = keeps_work
        self.stored = stored and status not in (401, 409, 429)
        self.extra = extra

    def body(self, request_id: str | None = None) -> dict[str, Any]:
        """`{"error": {...}}` as Stripe writes it; fields without a value are left out."""
        fields: dict[str, Any] = {
            "code": self.code,
            "doc_url": DOCS + self.code.replace("_", "-") if self.code else None,
            "message": self.message,
            "param": self.param,
            "request_log_url": (
                f"https://dashboard.stripe.com/test/logs/{request_id}?t=0" if request_id else None
            ),
            "type": self.type,
            **self.extra,
        }
        return {"error": {key: value for key, value in sorted(fields.items()) if value is not None}}


def invalid(
    message: str, *, code: str | None = None, param: str | None = None, status: int = 400, **extra: Any
) -> StripeError:
    """The usual refusal: 400 invalid_request_error."""
    return StripeError(status, "invalid_request_error", message, code=code, param=param, **extra)


def missing_object(noun: str, id: str, param: str | None = "id", *, status: int = 404) -> StripeError:
    """`noun` is Stripe's word in the sentence: "coupon" gives `No such coupon: 'NOPE123'`."""
    return invalid(f"No such {noun}: '{id}'", code="resource_missing", param=param, status=status)


def missing_param(name: str, message: str | None = None) -> StripeError:
    return invalid(message or f"Missing required param: {name}.", code="parameter_missing", param=name)
