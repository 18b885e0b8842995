"""What this process counts for Prometheus: requests, and calls of Stripe. `ops/metrics_page.py` has the rest.

Labels are names of routes and calls, never addresses or ids, so their number is bounded. Several processes
of one container are summed where PROMETHEUS_MULTIPROC_DIR names a folder they share.
"""

from functools import lru_cache

from django.conf import settings
from django.http import HttpRequest
from django.urls import ResolverMatch
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram
from prometheus_client.multiprocess import MultiProcessCollector

from kopeck.telemetry import SHARED

REQUESTS = Counter("kopeck_requests", "Requests answered.", ["route", "method", "status"])
REQUEST_SECONDS = Histogram(
    "kopeck_request_seconds",
    "Seconds from a request to its answer.",
    ["route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
STRIPE_CALLS = Counter("kopeck_stripe_calls", "Tries to ask Stripe.", ["account", "call", "outcome"])
STRIPE_SECONDS = Histogram(
    "kopeck_stripe_call_seconds",
    "Seconds that Stripe took to answer.",
    ["call"],
    buckets=(0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 2, 5, 10),
)
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def registry() -> CollectorRegistry:
    """What to expose: this process' numbers, or the sum over all that share the folder."""
    if not SHARED:
        return REGISTRY
    summed = CollectorRegistry()
    MultiProcessCollector(summed)  # type: ignore[no-untyped-call]
    return summed


def count_request(request: HttpRequest, status: int, seconds: float) -> None:
    """Counts an answered request."""
    route = _route(request)
    method = request.method if request.method in _METHODS else "other"
    count(route, method, status, seconds)


def count(route: str, method: str, status: int, seconds: float) -> None:
    """Counts an answer of the route of that name."""
    requests, request_seconds = _counters(route, method, status // 100)
    requests.inc()
    request_seconds.observe(seconds)


@lru_cache(maxsize=1000)
def _counters(route: str, method: str, hundreds: int) -> tuple[Counter, Histogram]:
    """As the library finds them anew, behind a lock, at each count."""
    return REQUESTS.labels(route, method, f"{hundreds}xx"), REQUEST_SECONDS.labels(route)


def count_call(account: str, name: str, outcome: str, seconds: float) -> None:
    """Counts a try to ask Stripe."""
    calls, call_seconds = _call_counters(account, name, outcome)
    calls.inc()
    call_seconds.observe(seconds)


@lru_cache(maxsize=1000)
def _call_counters(account: str, name: str, outcome: str) -> tuple[Counter, Histogram]:
    return STRIPE_CALLS.labels(account, name, outcome), STRIPE_SECONDS.labels(name)


def _route(request: HttpRequest) -> str:
    match: ResolverMatch | None = request.resolver_match
    if match is not None:
        # The admin has a hundred names; how it does as a whole is enough.
        return "admin" if match.app_names[:1] == ["admin"] else match.url_name or match.route
    static = request.path_info.startswith(str(settings.STATIC_URL))
    return "static" if static else "none"
