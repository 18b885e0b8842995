"""The wire to Stripe: the only file that imports `stripe`. Plain dicts come in and go out.

One client per account, built once and shared by all threads; API version, time-outs and retries set.
Nothing of ours is held while Stripe is asked: the database connection goes back to the pool first, and
an open transaction is a programming error.
"""

from collections.abc import Callable, Iterator, Mapping
from email.utils import parsedate_to_datetime
from functools import cache, partial
from typing import Any

import stripe
from django.conf import settings

from kopeck import stopping
from kopeck.slow import release_database
from kopeck.stripe_api import calls
from kopeck.stripe_api.accounts import Account
from kopeck.stripe_api.bulkhead import Full, bulkhead
from kopeck.stripe_api.storable import storable

API_VERSION = "2026-10-28.endive"
#: Seconds after which a signed event is refused as a replay.
TOLERANCE = 300

# The library would write an id to the home folder and report timings to Stripe.
stripe.enable_telemetry = False


class StripeUnavailable(Exception):
    """Stripe is down, slow or busy. What was asked may have been done: ask again with the same key."""


class StripeRefused(Exception):
    """Stripe understood and said no. `code` and `param` are Stripe's; `missing`: it knows no such object."""

    def __init__(self, message: str, *, code: str = "", param: str = "", missing: bool = False) -> None:
        super().__init__(message)
        self.code, self.param, self.missing = code, param, missing


class BadEvent(Exception):
    """A webhook call that proves nothing. `code` names which check failed."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


class _Watched(stripe.RequestsClient):
    """Logs and counts every try of every call, its repetitions by the library too."""

    def __init__(self, account: str, seconds: int) -> None:
        super().__init__(timeout=(3, seconds))
        self.account = account

    def request(  # type: ignore[override] # as RequestsClient has it, not its base
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        stopping.check()  # no more tries: what was asked may have been done, as when no answer comes
        with calls.watch(self.account, method, url) as call:
            body, call.status, answer = super().request(method, url, headers, post_data)
            call.request_id = answer.get("Request-Id", "")
        return body, call.status, answer


class Gateway:
    """Stripe as one account sees it. Raises StripeUnavailable and StripeRefused, nothing of the library's."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self._client = stripe.StripeClient(
            account.secret_key,
            stripe_version=API_VERSION,
            max_network_retries=settings.STRIPE_RETRIES,
            http_client=_Watched(account.name, settings.STRIPE_TIMEOUT),
            base_addresses={"api": settings.STRIPE_API_BASE} if settings.STRIPE_API_BASE else None,
        )

    def create(self, kind: str, inputs: dict[str, Any], *, idempotency_key: str) -> dict[str, Any]:
        """The payable object of a Payment's kind ("checkout", "intent"), made with these inputs."""
        make = self.create_session if kind == "checkout" else self.create_intent
        return make(inputs, idempotency_key=idempotency_key)

    def retrieve(self, kind: str, stripe_id: str) -> dict[str, Any]:
        """The payable object as it is now, with its latest charge inside."""
        return (self.retrieve_session if kind == "checkout" else self.retrieve_intent)(stripe_id)

    def expire(self, kind: str, stripe_id: str) -> dict[str, Any]:
        """Closes the payable object; where that came too late, the object as it is now (it may be paid)."""
        return (self.expire_session if kind == "checkout" else self.cancel_intent)(stripe_id)

    def create_intent(self, inputs: dict[str, Any], *, idempotency_key: str) -> dict[str, Any]:
        """`PaymentIntent.create`."""
        intents = self._client.v1.payment_intents
        return self._ask(
            lambda: intents.create(inputs, {"idempotency_key": idempotency_key})  # type: ignore[arg-type]
        )

    def retrieve_intent(self, stripe_id: str) -> dict[str, Any]:
        """The PaymentIntent, with its latest charge inside."""
        intents = self._client.v1.payment_intents
        return self._ask(lambda: intents.retrieve(stripe_id, {"expand": ["latest_charge"]}))

    def cancel_intent(self, stripe_id: str) -> dict[str, Any]:
        """Cancels the intent; where it can't be cancelled any more, the intent as it is now."""
        try:
            self._ask(lambda: self._client.v1.payment_intents.cancel(stripe_id))
        except StripeRefused as refusal:
            if refusal.missing:
                raise
        return self.retrieve_intent(stripe_id)

    def create_session(self, inputs: dict[str, Any], *, idempotency_key: str) -> dict[str, Any]:
        """`checkout.Session.create`: the Checkout Session as a dict."""
        sessions = self._client.v1.checkout.sessions
        return self._ask(
            lambda: sessions.create(inputs, {"idempotency_key": idempotency_key})  # type: ignore[arg-type]
        )

    def retrieve_session(self, stripe_id: str) -> dict[str, Any]:
        """The Checkout Session, with its payment intent and latest charge inside."""
        sessions = self._client.v1.checkout.sessions
        return self._ask(lambda: sessions.retrieve(stripe_id, {"expand": ["payment_intent.latest_charge"]}))

    def session_lines(self, stripe_id: str) -> list[dict[str, Any]]:
        """All lines of the session, with their taxes; the session itself shows the first ten."""
        items = self._client.v1.checkout.sessions.line_items
        answer = self._ask(lambda: items.list(stripe_id, {"limit": 100, "expand": ["data.taxes"]}))
        lines: list[dict[str, Any]] = answer["data"]
        return lines

    def expire_session(self, stripe_id: str) -> dict[str, Any]:
        """Closes the session; where it is not open any more, the session as it is now (it may be paid)."""
        try:
            self._ask(lambda: self._client.v1.checkout.sessions.expire(stripe_id))
        except StripeRefused as refusal:
            if refusal.missing:
                raise
        return self.retrieve_session(stripe_id)

    def create_refund(self, inputs: dict[str, Any], *, idempotency_key: str) -> dict[str, Any]:
        """`Refund.create`."""
        refunds = self._client.v1.refunds
        return self._ask(
            lambda: refunds.create(inputs, {"idempotency_key": idempotency_key})  # type: ignore[arg-type]
        )

    def retrieve_refund(self, stripe_id: str) -> dict[str, Any]:
        return self._ask(lambda: self._client.v1.refunds.retrieve(stripe_id))

    def list_refunds(self, **of: Any) -> Iterator[dict[str, Any]]:
        """Refunds, newest first: `payment_intent=`, `charge=`, or `created={"gte": Unix second}`."""
        return self._pages(self._client.v1.refunds.list, of)

    def retrieve_dispute(self, stripe_id: str) -> dict[str, Any]:
        return self._ask(lambda: self._client.v1.disputes.retrieve(stripe_id))

    def list_disputes(self, **of: Any) -> Iterator[dict[str, Any]]:
        """Disputes, newest first: `payment_intent=`, `charge=`, or `created={"gte": Unix second}`."""
        return self._pages(self._client.v1.disputes.list, of)

    # `kind` is "coupon" or "tax_rate".

    def create_copy(self, kind: str, inputs: dict[str, Any], *, idempotency_key: str) -> dict[str, Any]:
        """A new coupon or tax rate, as a dict."""
        service = self._mirrored(kind)
        return self._ask(lambda: service.create(inputs, {"idempotency_key": idempotency_key}))

    def retrieve_copy(self, kind: str, stripe_id: str) -> dict[str, Any]:
        service = self._mirrored(kind)
        return self._ask(lambda: service.retrieve(stripe_id))

    def update_copy(self, kind: str, stripe_id: str, changes: dict[str, Any]) -> dict[str, Any]:
        """Changes what Stripe lets be changed: a coupon's name, a tax rate's display_name and active."""
        service = self._mirrored(kind)
        return self._ask(lambda: service.update(stripe_id, changes))

    def retire_copy(self, kind: str, stripe_id: str) -> None:
        """Deletes the coupon, or archives the tax rate. Sessions that have it already keep it."""
        if kind == "tax_rate":
            self.update_copy(kind, stripe_id, {"active": False})
        else:
            self._ask(lambda: self._client.v1.coupons.delete(stripe_id))

    def list_copies(self, kind: str, *, since: int = 0) -> Iterator[dict[str, Any]]:
        """Every coupon or tax rate of the account, newest first; `since`: the earliest Unix second."""
        service = self._mirrored(kind)
        return self._pages(service.list, {"created": {"gte": since}} if since else {})

    def page(self, kind: str, **asked: Any) -> tuple[list[dict[str, Any]], bool]:
        """A page of what the account has, newest first, and whether there are more.

        `kind` is session, intent, refund, dispute or event; `asked`: `created`, `starting_after`, `types`.
        """
        v1 = self._client.v1
        services: dict[str, tuple[Any, list[str]]] = {
            "session": (v1.checkout.sessions, ["data.payment_intent"]),
            "intent": (v1.payment_intents, ["data.latest_charge"]),
            "refund": (v1.refunds, []),
            "dispute": (v1.disputes, []),
            "event": (v1.events, []),
        }
        service, expand = services[kind]
        asked = {"limit": 100, **({"expand": expand} if expand else {}), **asked}
        answer = self._ask(lambda: service.list(asked))
        return answer["data"], answer["has_more"]

    def look_up(self, kind: str, stripe_id: str) -> dict[str, Any]:
        """One object of a kind that `page` lists, other than an event."""
        by_kind: dict[str, Callable[[str], dict[str, Any]]] = {
            "session": self.retrieve_session,
            "intent": self.retrieve_intent,
            "refund": self.retrieve_refund,
            "dispute": self.retrieve_dispute,
        }
        return by_kind[kind](stripe_id)

    def _pages(self, service: Callable[[Any], Any], of: dict[str, Any]) -> Iterator[dict[str, Any]]:
        asked: dict[str, Any] = {"limit": 100, **of}
        while True:
            page = self._ask(partial(service, asked))
            yield from page["data"]
            if not page["has_more"]:
                return
            asked = {**asked, "starting_after": page["data"][-1]["id"]}

    def webhook_endpoints(self) -> list[dict[str, Any]]:
        """All of the account; Stripe allows sixteen."""
        endpoints = self._client.v1.webhook_endpoints
        found: list[dict[str, Any]] = self._ask(lambda: endpoints.list({"limit": 100}))["data"]
        return found

    def create_webhook_endpoint(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Of our API version. The answer is the only one that ever holds its `secret`."""
        wanted: Any = {**inputs, "api_version": API_VERSION}
        return self._ask(lambda: self._client.v1.webhook_endpoints.create(wanted))

    def update_webhook_endpoint(self, stripe_id: str, changes: dict[str, Any]) -> dict[str, Any]:
        """Its url, enabled_events, disabled; an API version stays for ever."""
        endpoints = self._client.v1.webhook_endpoints
        return self._ask(lambda: endpoints.update(stripe_id, changes))  # type: ignore[arg-type]

    def delete_webhook_endpoint(self, stripe_id: str) -> None:
        self._ask(lambda: self._client.v1.webhook_endpoints.delete(stripe_id))

    def account_id(self) -> str:
        """`acct_...`. A restricted key may need a permission for it."""
        return str(self._ask(self._client.v1.accounts.retrieve_current)["id"])

    def server_time(self) -> float | None:
        """Stripe's clock, as a Unix second, from an answer that every key of a shop is allowed."""
        headers: dict[str, str] = {}

        def ask() -> stripe.StripeObject:
            answer = self._client.v1.checkout.sessions.list({"limit": 1})
            if answer.last_response:
                headers.update({name.lower(): text for name, text in answer.last_response.headers.items()})
            return answer

        self._ask(ask)
        try:
            return parsedate_to_datetime(headers.get("date", "")).timestamp()
        except ValueError:
            return None

    def livemode(self) -> bool | None:
        """The mode that Stripe says of the newest Checkout Session; None where there is none."""
        newest = self._ask(lambda: self._client.v1.checkout.sessions.list({"limit": 1}))["data"]
        return bool(newest[0]["livemode"]) if newest else None

    def publishable_key_reads(self) -> bool | None:
        """Whether the publishable key sees the account's newest payment intent; None where there is none."""
        intents = self._client.v1.payment_intents
        newest = self._ask(lambda: intents.list({"limit": 1}))["data"]
        if not newest:
            return None
        asked: Any = {"client_secret": newest[0]["client_secret"]}
        key: Any = {"api_key": self.account.publishable_key}
        try:
            self._ask(lambda: intents.retrieve(newest[0]["id"], asked, key))
        except StripeRefused as refusal:
            if refusal.missing or not refusal.code:  # no such intent in its account, or no such key
                return False
            raise
        return True

    def _mirrored(self, kind: str) -> Any:
        return {"coupon": self._client.v1.coupons, "tax_rate": self._client.v1.tax_rates}[kind]

    def _ask(self, call: Callable[[], stripe.StripeObject]) -> dict[str, Any]:
        release_database()
        stopping.check()
        try:
            with bulkhead().asking(no_answer=stripe.APIConnectionError):
                answer: dict[str, Any] = call().to_dict()
        except Full as crowd:
            raise StripeUnavailable(str(crowd)) from crowd
        except (stripe.APIConnectionError, stripe.RateLimitError, stripe.APIError) as error:
            raise StripeUnavailable(_describe(error)) from error
        except stripe.StripeError as error:
            raise StripeRefused(
                _describe(error),
                code=error.code or "",
                param=str(getattr(error, "param", None) or ""),
                # By its code too: a 404 of some proxy or wrong address says nothing about the object.
                missing=error.http_status == 404 and error.code == "resource_missing",
            ) from error
        return answer


def _describe(error: stripe.StripeError) -> str:
    """For logs and the admin: what Stripe said and its request id; Stripe's messages hold no keys in full."""
    if isinstance(error, stripe.APIConnectionError):
        # The library's own message is for its makers: a page of classes and retries around the one cause.
        return f"Stripe did not answer: {_cause(error)}"
    said = f"{type(error).__name__}: {error.user_message or 'no answer'}"
    return f"{said} ({error.request_id})" if error.request_id else said


def _cause(error: BaseException) -> str:
    """The innermost error, such as "Connection refused" or "timed out"."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


@cache
def gateway(account_name: str) -> Gateway:
    """The gateway of an account. StripeUnavailable for one whose keys are not configured (any more)."""
    account = settings.STRIPE_ACCOUNTS.get(account_name)
    if account is None:
        raise StripeUnavailable(f"No keys are configured for the account {account_name}.")
    return Gateway(account)


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
