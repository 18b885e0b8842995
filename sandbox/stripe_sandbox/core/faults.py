"""Faults on demand: what a network and a busy Stripe do to a shop, switched on by `PUT /_sandbox/faults`.

`SPEC` lists every setting with its meaning; `Faults.settings()` serves all of them back. Settings live in
memory only: a restarted sandbox is healthy again. API faults strike `/v1/` calls alone, never the hosted
page, Stripe.js or control.
"""

from __future__ import annotations

import random
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from stripe_sandbox.core.errors import StripeError

ONE_SHOTS = (
    *("latency", "error", "error_after", "rate_limit", "lock_timeout", "cut_before", "cut_after"),
    "held_back",
)
#: What the fault `other_account` puts behind the name of an account.
ELSEWHERE = "_elsewhere"
ROUNDINGS = ("half_up", "half_even", "total")
AFTER_KINDS = frozenset({"error_after", "cut_after", "held_back"})


class CutConnection(Exception):
    """The client's connection has to be closed now, with no answer."""


class BadFault(ValueError):
    """A fault setting that has an unknown name or a wrong type; the message is a sentence for the caller."""


#: No wait is longer, in whatever unit: Python's clocks have an end.
LONGEST = 10**9


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= LONGEST


def _rate(name: str, value: Any) -> Any:
    if not _number(value) or value > 1:
        raise BadFault(f"{name} is a rate: a number from 0 to 1.")
    return value


def _span(name: str, value: Any) -> Any:
    pair = isinstance(value, list) and len(value) == 2 and all(map(_number, value)) and value[0] <= value[1]
    if not _number(value) and not pair:
        raise BadFault(f"{name} is a number of milliseconds, or [least, most].")
    return value


def _flag(name: str, value: Any) -> Any:
    if not isinstance(value, bool):
        raise BadFault(f"{name} is true or false.")
    return value


def _window(name: str, value: Any) -> Any:
    if not isinstance(value, bool) and (not isinstance(value, int) or value < 2):
        raise BadFault(f"{name} is true, false, or a window of at least 2 events.")
    return value


def _seed(name: str, value: Any) -> Any:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
        raise BadFault(f"{name} is a whole number or null.")
    return value


def _rounding(name: str, value: Any) -> Any:
    if value not in ROUNDINGS:
        raise BadFault(f"{name} is one of {', '.join(ROUNDINGS)}.")
    return value


def _seconds(name: str, value: Any) -> Any:
    if not _number(value) or value == 0:
        raise BadFault(f"{name} is a number of seconds above 0.")
    return value


def _schedule(name: str, value: Any) -> Any:
    if not isinstance(value, list) or not all(map(_number, value)):
        raise BadFault(f"{name} is a list of seconds, one for each retry.")
    return list(value)


def _filter(name: str, value: Any) -> Any:
    """`{"path"?: prefix, or a regular expression when it begins with ^, "method"?: "POST"}` or null."""
    if value is None:
        return None
    if not isinstance(value, dict) or set(value) - {"path", "method"}:
        raise BadFault(f"{name} is null or an object with path and method.")
    _check_match(name, value)
    return dict(value)


def _check_match(name: str, value: Mapping[str, Any]) -> None:
    for key in ("path", "method"):
        if key in value and not isinstance(value[key], str):
            raise BadFault(f"{name}: {key} is a text.")
    try:
        re.compile(value.get("path", ""))
    except re.error as error:
        raise BadFault(f"{name}: path is no regular expression ({error}).") from error


def _queue(name: str, value: Any) -> Any:
    """`[{"kind", "path"?, "method"?, "times"?: 1, "ms"?: 1000}]` (ms: of latency and held_back); a
    request takes the first that fits it."""
    if not isinstance(value, list):
        raise BadFault(f"{name} is a list of faults.")
    queue = []
    for item in value:
        if not isinstance(item, dict) or set(item) - {"kind", "path", "method", "times", "ms"}:
            raise BadFault(
                f"{name}: each fault is an object with kind, and maybe path, method, times and ms."
            )
        if item.get("kind") not in ONE_SHOTS:
            raise BadFault(f"{name}: kind is one of {', '.join(ONE_SHOTS)}.")
        times = item.get("times", 1)
        if isinstance(times, bool) or not isinstance(times, int) or times < 1:
            raise BadFault(f"{name}: times is a whole number of at least 1.")
        if "ms" in item:
            _span(f"{name}: ms", item["ms"])
        _check_match(name, item)
        queue.append({**item, "times": times})
    return queue


#: name -> (default, check, meaning). The rates are drawn per request, in this order, until one strikes.
SPEC: dict[str, tuple[Any, Callable[[str, Any], Any], str]] = {
    "latency_ms": (0, _span, "wait before every API call: milliseconds or [least, most]"),
    "error_rate": (0, _rate, "answer 500 before the work"),
    "error_after_rate": (0, _rate, "answer 500 after the work is done"),
    "rate_limit_rate": (0, _rate, "answer 429 with code rate_limit and Stripe-Rate-Limited-Reason"),
    "lock_timeout_rate": (0, _rate, "answer 429 with code lock_timeout"),
    "cut_before_rate": (0, _rate, "close the connection before the work"),
    "cut_after_rate": (0, _rate, "close the connection after the work is done"),
    "only": (None, _filter, "strike only these: {path: prefix or ^regex, method}; not used for next"),
    "next": ([], _queue, "one-shot faults, first fit first: [{kind, path, method, times, ms}]"),
    "keep_errors": (False, _flag, "give its idempotency key the same 500 again, as Stripe does"),
    "other_account": (False, _flag, "take every key for another account's: it knows nothing of this one"),
    "seed": (None, _seed, "seed of the dice, set again at every PUT that names it"),
    "rounding": ("half_up", _rounding, "how Checkout rounds tax: " + ", ".join(ROUNDINGS)),
    "webhook_drop_rate": (0, _rate, "never send this event by itself (it can be sent by hand)"),
    "webhook_duplicate_rate": (0, _rate, "send this event twice"),
    "webhook_delay_ms": (0, _span, "wait before the first attempt: milliseconds or [least, most]"),
    "webhook_reorder": (False, _window, "true: newest first; n: any of the n oldest waiting"),
    "webhooks_paused": (False, _flag, "send nothing except by POST /_sandbox/webhooks/deliver"),
    "webhook_retry_seconds": ([1, 5, 30, 120, 600, 3600], _schedule, "wait before each retry"),
    "webhook_timeout_seconds": (10, _seconds, "how long an endpoint may take to answer"),
}
RATES = ("cut_before", "error", "rate_limit", "lock_timeout", "error_after", "cut_after")


def _matches(match: Mapping[str, Any] | None, method: str, path: str) -> bool:
    if not match:
        return True
    if match.get("method", method).upper() != method.upper():
        return False
    wanted: str = match.get("path", "")
    return bool(re.search(wanted, path)) if wanted.startswith("^") else path.startswith(wanted)


class Faults:
    """The faults of one box. `before`/`after` frame the work of a request, in the request's own thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._request = threading.local()
        self._values: dict[str, Any] = {}
        self._dice = random.Random()  # noqa: S311 - dice, not a secret
        self.counts: Counter[str] = Counter()
        self.reset()

    def reset(self) -> None:
        """Healthy again, with new dice."""
        with self._lock:
            self._values = {name: spec[0] for name, spec in SPEC.items()}
            self._dice.seed()
            self.counts.clear()

    def settings(self) -> dict[str, Any]:
        """Every setting with its present value."""
        with self._lock:
            return {**self._values, "next": [dict(item) for item in self._values["next"]]}

    def update(self, patch: Any) -> dict[str, Any]:
        """Merge `patch` into the settings (all of it or nothing). Raises BadFault with a sentence."""
        if not isinstance(patch, dict):
            raise BadFault("Send a JSON object of fault settings.")
        unknown = sorted(set(patch) - set(SPEC))
        if unknown:
            raise BadFault(f"Unknown fault setting: {', '.join(unknown)}. Known are {', '.join(SPEC)}.")
        checked = {name: SPEC[name][1](name, value) for name, value in patch.items()}
        with self._lock:
            self._values.update(checked)
            if "seed" in checked:
                self._dice.seed(checked["seed"])
        return self.settings()

    def __getitem__(self, name: str) -> Any:
        with self._lock:
            return self._values[name]

    @property
    def rounding(self) -> str:
        """How Checkout rounds: half_up (Stripe's), half_even, or total (sum, then round)."""
        return str(self["rounding"])

    def before(self, method: str, path: str) -> None:
        """Called before a request's work: may sleep, raise StripeError or CutConnection."""
        self._request.later = None
        if not path.startswith("/v1/"):
            return
        with self._lock:
            wait, kind = self._plan(method, path)
            if kind == "held_back":  # which keeps the answer waiting, and not the work
                self._request.hold, wait = wait, 0
            if kind:
                self.counts[kind] += 1
        if wait:
            time.sleep(wait / 1000)
        if kind in AFTER_KINDS:
            # The same thread calls after() once the work is committed; a request that fails first keeps
            # its own answer.
            self._request.later = kind
        elif kind:
            self._strike(kind)

    def after(self) -> float:
        """Called when a request's work is committed: may raise StripeError or CutConnection.

        How many milliseconds the answer is held back on its way.
        """
        kind = getattr(self._request, "later", None)
        self._request.later = None
        if kind == "held_back":
            return float(self._request.hold)
        if kind:
            self._strike(kind)
        return 0

    def account_of(self, account: str) -> str:
        """The account that a key is taken for."""
        with self._lock:
            if not self._values["other_account"]:
                return account
            self.counts["other_account"] += 1
            return f"{account}{ELSEWHERE}"

    def draw(self, name: str) -> bool:
        """Throw the dice for the webhook rate `name`, and count a hit."""
        with self._lock:
            hit = self._hit(self._values[name])
            self.counts[name.removesuffix("_rate")] += hit
            return hit

    def milliseconds(self, name: str) -> float:
        """A wait drawn from the span setting `name`."""
        with self._lock:
            return self._draw_span(self._values[name])

    def pick(self, count: int) -> int:
        """A whole number from 0 to count - 1."""
        with self._lock:
            return self._dice.randrange(count)

    def _plan(self, method: str, path: str) -> tuple[float, str | None]:
        """How long to wait (ms) and which fault strikes this request."""
        item = next((i for i in self._values["next"] if _matches(i, method, path)), None)
        filtered = _matches(self._values["only"], method, path)
        wait = self._draw_span(self._values["latency_ms"]) if filtered else 0
        if item is not None:
            item["times"] -= 1
            if not item["times"]:
                self._values["next"].remove(item)
            if item["kind"] == "held_back":
                return self._draw_span(item.get("ms", 1000)), "held_back"
            if item["kind"] == "latency":
                return wait + self._draw_span(item.get("ms", 1000)), None
            return wait, str(item["kind"])
        if filtered:
            for kind in RATES:
                if self._hit(self._values[f"{kind}_rate"]):
                    return wait, kind
        return wait, None

    def _hit(self, rate: float) -> bool:
        return rate > 0 and self._dice.random() < rate

    def _draw_span(self, span: Any) -> float:
        return self._dice.uniform(*span) if isinstance(span, list) else span

    def _strike(self, kind: str) -> None:
        if kind.startswith("cut"):
            raise CutConnection(kind)
        if kind.startswith("error"):
            message = "An unknown error occurred (the sandbox's faults made it)."
            # Mostly not stored under the idempotency key: a retry meets the work itself, done or not done.
            raise StripeError(500, "api_error", message, stored=self._values["keep_errors"])
        if kind == "rate_limit":
            raise StripeError(
                429,
                "invalid_request_error",
                "Request rate limit exceeded. You can learn more about rate limits here "
                "https://stripe.com/docs/rate-limits.",
                code="rate_limit",
                headers={"Stripe-Rate-Limited-Reason": "global-rate"},
            )
        raise StripeError(
            429,
            "invalid_request_error",
            "This object cannot be accessed right now because another API request or Stripe process is "
            "currently accessing it. If you see this error intermittently, retry the request. If you see "
            "this error frequently and are making multiple concurrent requests to a single object, make your "
            "requests serially or at a lower rate. For more details, see "
            "https://stripe.com/docs/rate-limits#object-lock-timeouts.",
            code="lock_timeout",
        )
