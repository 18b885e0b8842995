"""The wire to Stripe: whatever the shop asks of it. Plain dicts come in and go out.

One client per account, built once and shared by all threads; API version, time-outs and retries set.
Nothing of ours is held while Stripe is asked: the database connection goes back to the pool first, and
an open transaction is a programming error.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import cache, partial
from operator import attrgetter
from typing import Any
from urllib.parse import quote_plus

import stripe
from django.conf import settings
from django.utils.crypto import salted_hmac

from kopeck import stopping
from kopeck.database.slow import release_database
from kopeck.sentences import Sentence
from kopeck.stripe_api.accounts import Account
from kopeck.stripe_api.bulkhead import Full, bulkhead
from kopeck.stripe_api.wire import Wire

API_VERSION = "2026-10-28.endive"
NO_ANSWER = Sentence("Stripe did not answer: %(problem)s")
NO_KEYS = Sentence("No keys are configured for the account %(account)s.")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of object: its service in the library, what is expanded in one and in a list, what closes it."""

    service: str
    expand: tuple[str, ...] = ()
    listed: tuple[str, ...] = ()
    close: str = ""


_SESSION = Kind("checkout.sessions", ("payment_intent.latest_charge",), ("data.payment_intent",), "expire")
KINDS = {
    "session": _SESSION,
    "checkout": _SESSION,  # as a Payment's kind is called
    "intent": Kind("payment_intents", ("latest_charge",), ("data.latest_charge",), "cancel"),
    "refund": Kind("refunds"),
    "dispute": Kind("disputes"),
    "balance_transaction": Kind("balance_transactions", listed=("data.source",)),
    "event": Kind("events"),
    "coupon": Kind("coupons"),
    "tax_rate": Kind("tax_rates"),
    "webhook_endpoint": Kind("webhook_endpoints"),
}

# The library would write an id to the home folder and report timings to Stripe.
stripe.enable_telemetry = False


class StripeUnavailable(Exception):
    """Stripe is down, slow or busy. What was asked may have been done: ask again with the same key."""


class StripeRefused(Exception):
    """Stripe understood and said no. `code` and `param` are Stripe's; `missing`: it knows no such object."""

    def __init__(self, message: str, *, code: str = "", param: str = "", missing: bool = False) -> None:
        super().__init__(message)
        self.code, self.param, self.missing = code, param, missing


class Gateway:
    """Stripe as one account sees it. Raises StripeUnavailable and StripeRefused, nothing of the library's."""

    def __init__(self, account: Account) -> None:
        self.account = account
        base = settings.STRIPE_API_BASE or stripe.DEFAULT_API_BASE
        self._client = stripe.StripeClient(
            account.secret_key,
            stripe_version=API_VERSION,
            max_network_retries=settings.STRIPE_RETRIES,
            http_client=Wire(account.name, base, settings.STRIPE_TIMEOUT),
            base_addresses={"api": base},
        )

    def create(self, kind: str, inputs: dict[str, Any], *, idempotency_key: str = "") -> dict[str, Any]:
        """A new object. With the same key and inputs Stripe gives the first one again, for a day."""
        return self._plain("post", _path(kind), inputs | {"idempotency_key": idempotency_key})

    def retrieve(self, kind: str, stripe_id: str) -> dict[str, Any]:
        """The object as it is now; a payable one with its latest charge inside."""
        path = f"{_path(kind)}/{quote_plus(stripe_id)}"
        return self._plain("get", path, {"expand": list(KINDS[kind].expand)})

    def update(self, kind: str, stripe_id: str, changes: dict[str, Any]) -> dict[str, Any]:
        """Changes what Stripe lets be changed: a coupon's name, a tax rate's, an endpoint's events."""
        return self._call(kind, "update", stripe_id, changes)

    def expire(self, kind: str, stripe_id: str) -> dict[str, Any]:
        """Closes a payable object; where that came too late, the object as it is now (it may be paid)."""
        try:
            self._call(kind, KINDS[kind].close, stripe_id)
        except StripeRefused as refusal:
            if refusal.missing:
                raise
        return self.retrieve(kind, stripe_id)

    def retire(self, kind: str, stripe_id: str) -> None:
        """Deletes the object, or archives a tax rate, which can't be. Sessions that have it keep it."""
        if kind == "tax_rate":
            self.update(kind, stripe_id, {"active": False})
        else:
            self._call(kind, "delete", stripe_id)

    def page(self, kind: str, **asked: Any) -> tuple[list[dict[str, Any]], bool]:
        """A page of what the account has, newest first, and whether there are more.

        `asked` is Stripe's: `created={"gte": Unix second}`, `starting_after`, `payment_intent`, `types`.
        """
        answer = self._call(kind, "list", {"limit": 100, "expand": list(KINDS[kind].listed), **asked})
        return answer["data"], answer["has_more"]

    def list_all(self, kind: str, **asked: Any) -> Iterator[dict[str, Any]]:
        """All of it, newest first, page by page."""
        has_more = True
        while has_more:
            objects, has_more = self.page(kind, **asked)
            yield from objects
            if has_more:
                asked["starting_after"] = objects[-1]["id"]

    def session_lines(self, stripe_id: str) -> list[dict[str, Any]]:
        """All lines of the session, with their taxes; the session itself shows the first ten."""
        items = self._client.v1.checkout.sessions.line_items
        answer = self._ask(lambda: items.list(stripe_id, {"limit": 100, "expand": ["data.taxes"]}))
        lines: list[dict[str, Any]] = answer["data"]
        return lines

    def balance(self) -> dict[str, int]:
        """What is in the account by currency, available or not yet; in minor units."""
        answer, found = self._plain("get", "/v1/balance", {}), dict[str, int]()
        for part in [*answer["available"], *answer["pending"]]:
            found[part["currency"]] = found.get(part["currency"], 0) + part["amount"]
        return found

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
        newest, _more = self.page("session", limit=1, expand=[])
        return bool(newest[0]["livemode"]) if newest else None

    def publishable_key_reads(self) -> bool | None:
        """Whether the publishable key sees the account's newest payment intent; None where there is none."""
        newest, _more = self.page("intent", limit=1, expand=[])
        if not newest:
            return None
        asked, key = {"client_secret": newest[0]["client_secret"]}, {"api_key": self.account.publishable_key}
        try:
            self._call("intent", "retrieve", newest[0]["id"], asked, key)
        except StripeRefused as refusal:
            if refusal.missing or not refusal.code:  # no such intent in its account, or no such key
                return False
            raise
        return True

    def _call(self, kind: str, verb: str, *words: Any) -> dict[str, Any]:
        service = attrgetter(KINDS[kind].service)(self._client.v1)
        return self._ask(partial(getattr(service, verb), *words))

    def _plain(self, method: str, path: str, asked: dict[str, Any]) -> dict[str, Any]:
        """As `_call`, for what every buy and payment asks: the library makes no object of each part of the
        answer, which cost half as much as all else that it does.
        """
        return self._ask(lambda: self._client.raw_request(method, path, **asked))

    def _ask(self, call: Callable[[], Any]) -> dict[str, Any]:
        release_database()
        stopping.check()
        try:
            with bulkhead().asking(no_answer=stripe.APIConnectionError):
                said = call()
                plain = isinstance(said, stripe.StripeResponse)
                answer: dict[str, Any] = said.data if plain else said.to_dict()
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


def _path(kind: str) -> str:
    return f"/v1/{KINDS[kind].service.replace('.', '/')}"


def _describe(error: stripe.StripeError) -> str:
    """For logs and the admin: what Stripe said and its request id; Stripe's messages hold no keys in full."""
    if isinstance(error, stripe.APIConnectionError):
        # The library's own message is for its makers: a page of classes and retries around the one cause.
        return NO_ANSWER(problem=_cause(error))
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
        raise StripeUnavailable(NO_KEYS(account=account_name))
    return Gateway(account)


def shop_mark() -> str:
    """Stands in the metadata of what we make: tells it from that of another shop in the same account."""
    return _mark_by(settings.SECRET_KEY)


@cache
def _mark_by(secret: str) -> str:
    return salted_hmac("kopeck.stripe_api", "shop", secret, algorithm="sha256").hexdigest()[:16]
