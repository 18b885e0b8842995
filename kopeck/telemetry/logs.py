"""Logs: one line a fact, as JSON or for reading, with the ids that lead from one line to the others.

`about` puts ids on every line that is written inside it, by a library too. No line holds a key, a secret or
an e-mail address: addresses are written without their query, and `scrub` stands behind everything.
"""

import json
import logging
import re
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import lru_cache, wraps
from secrets import token_hex
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.encoding import escape_uri_path

from kopeck.telemetry import metrics, tracing
from kopeck.telemetry.redaction import scrub, scrub_all

if TYPE_CHECKING:
    from procrastinate import App, JobContext

# No line says where in the code it was written, nor by which thread: looking costs a third of a line.
logging._srcfile = None
logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False

P = ParamSpec("P")
T = TypeVar("T")
access_log, job_log = logging.getLogger("kopeck.access"), logging.getLogger("kopeck.jobs")

#: What a line may hold besides time, level, logger and message; nothing else of a record is written.
FIELDS = (
    *("request", "job", "task", "order", "account"),
    *("method", "path", "status", "call", "outcome", "stripe_request", "ms"),
)
_facts: ContextVar[dict[str, Any]] = ContextVar("facts", default={})  # noqa: B039 - never changed in place
#: What the request or job was about, gathered for its own last line.
_gathered: ContextVar[dict[str, Any] | None] = ContextVar("gathered", default=None)

#: Asked for again and again by machines: at DEBUG.
QUIET = ("/healthz", "/readyz", "/metrics", "/static/", "/media/")
_REQUEST_ID = re.compile(r"[A-Za-z0-9_.:-]{8,64}")


@contextmanager
def about(**facts: Any) -> Iterator[None]:
    """Every line written inside holds these facts (names of FIELDS); the request's own line as well."""
    gathered = _gathered.get()
    if gathered is not None:
        gathered.update(facts)
    token = _facts.set({**_facts.get(), **facts})
    try:
        yield
    finally:
        _facts.reset(token)


def about_its(facts: Callable[..., dict[str, Any]]) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """A decorator: `about`, with the facts that the function's own arguments give."""

    def decorate(work: Callable[P, T]) -> Callable[P, T]:
        @wraps(work)
        def told(*args: P.args, **kwargs: P.kwargs) -> T:
            with about(**facts(*args, **kwargs)):
                return work(*args, **kwargs)

        return told

    return decorate


def facts_of(record: logging.LogRecord, **more: Any) -> dict[str, Any]:
    """What the line is about, after `more`: by where it was written, then by what it says itself."""
    facts, said = {**more, **_facts.get()}, record.__dict__
    for name in FIELDS:
        # Django's own lines bring the HttpRequest itself along, whose text is its address with the query.
        if name in said and isinstance(said[name], _PLAIN):
            facts[name] = said[name]
    return scrub_all(facts)


_PLAIN = (str, int, float)


_as_json = json.JSONEncoder(ensure_ascii=False, default=str).encode


class AccessRecord(logging.LogRecord):
    """The line of an answered request, which nearly every request writes: what costs is known beforehand.

    LogRecord itself would look for a place in the code and a thread, which no line says. `path` is escaped
    and holds no secret; `facts` may.
    """

    #: As in every record; formatters look for them in its __dict__.
    _USUAL = {
        **logging.LogRecord(access_log.name, logging.INFO, "", 0, "", (), None).__dict__,
        **dict.fromkeys(("filename", "module", "thread", "threadName", "process", "processName")),
    }

    def __init__(
        self, level: int, method: str, path: str, status: int, ms: float, facts: dict[str, Any]
    ) -> None:
        self.__dict__ = self._USUAL | facts
        self.created = time.time()
        self.msecs = int(self.created * 1000) % 1000
        self.levelno, self.levelname = level, logging.getLevelName(level)
        self.method, self.path, self.status, self.ms, self.facts = method, path, status, ms, facts
        self.msg = f"{method} {path} {status} in {ms} ms"

    def as_json(self) -> str:
        about = {**_facts.get(), **self.facts}
        more = "".join([f', "{name}": {_as_json(value)}' for name, value in scrub_all(about).items()])
        before, after = _around_ms(self.levelname, self.method, self.path, self.status)
        return f'{{"time": "{_time_of(self.created)}"{before}{self.ms} ms"{after}{self.ms}{more}}}'


@lru_cache(maxsize=1000)
def _around_ms(level: str, method: str, path: str, status: int) -> tuple[str, str]:
    """What a line holds before and after the milliseconds in its message, up to its field of them."""
    before = {"level": level, "logger": access_log.name, "message": f"{method} {path} {status} in "}
    after = {"method": method, "path": path, "status": status, "ms": 0}
    return f", {_as_json(before)[1:-2]}", f", {_as_json(after)[1:-2]}"


def _time_of(created: float) -> str:
    return f"{_second_of(int(created))}.{int(created * 1000) % 1000:03d}+00:00"


@lru_cache(maxsize=4)
def _second_of(created: int) -> str:
    return datetime.fromtimestamp(created, UTC).strftime("%Y-%m-%dT%H:%M:%S")


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        if isinstance(record, AccessRecord):
            return record.as_json()
        said: dict[str, Any] = {"time": _time_of(record.created), "level": record.levelname}
        said["logger"] = record.name
        said.update(facts_of(record, message=record.getMessage()))
        if record.exc_info:
            said["exception"] = scrub(self.formatException(record.exc_info))
        return _as_json(said)


class ReadableLines(logging.Formatter):
    """For people: time, level, logger, message, then the ids."""

    # Its own line says these already.
    SAID = ("method", "path", "status", "ms", "call", "outcome")

    def format(self, record: logging.LogRecord) -> str:
        facts = facts_of(record)
        ids = " ".join(f"{name}={value}" for name, value in facts.items() if name not in self.SAID)
        line, rest, more = super().format(record).partition("\n")
        return scrub(f"{line} [{ids}]{rest}{more}" if ids else f"{line}{rest}{more}")


class Requests:
    """Middleware: names the request, measures it, and writes its one line."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        began = time.perf_counter()
        # Only a trusted proxy's header gets past kopeck.web.proxies.
        given = request.META.get("HTTP_X_REQUEST_ID", "")
        name = request_name(given)
        facts, gathered = _facts.set({"request": name}), _gathered.set({})
        try:
            response = self.get_response(request)
            response["X-Request-ID"] = name
            seconds = time.perf_counter() - began
            metrics.count_request(request, response.status_code, seconds)
            _write_access(
                request.method or "", request.path, response.status_code, seconds, _gathered.get() or {}
            )
            return response
        finally:
            _facts.reset(facts)
            _gathered.reset(gathered)

    def process_view(
        self, request: HttpRequest, view: Any, args: tuple[Any, ...], address: dict[str, Any]
    ) -> None:
        found = {"order": address["order_id"]} if "order_id" in address else {}
        if address.get("account_name") in settings.STRIPE_ACCOUNTS:
            found["account"] = address["account_name"]
        if found:
            # Until the request ends: __call__ resets all of it.
            _facts.set({**_facts.get(), **found})
            gathered = _gathered.get()
            if gathered is not None:
                gathered.update(found)


def request_name(given: str) -> str:
    """The id of a request: the one that it was given, where that is one, else a new one."""
    return given if given and _REQUEST_ID.fullmatch(given) else token_hex(16)


def answered(
    name: str, method: str, path: str, route: str, status: int, seconds: float, **facts: Any
) -> None:
    """Counts and writes what was answered in front of Django, as `Requests` does."""
    metrics.count(route, method, status, seconds)
    _write_access(method, path, status, seconds, {"request": name, **facts})


def _write_access(method: str, path: str, status: int, seconds: float, gathered: dict[str, Any]) -> None:
    level = logging.DEBUG if path.startswith(QUIET) and status < 500 else logging.INFO
    if not access_log.isEnabledFor(level):
        return
    access_log.handle(
        AccessRecord(level, method, _written_path(path), status, round(seconds * 1000, 1), gathered)
    )


@lru_cache(maxsize=1000)
def _written_path(path: str) -> str:
    """Without the query, where the keys of orders are; escaped, so that one request is one line."""
    return scrub(escape_uri_path(path)[:200])


async def watch_job(call_next: Callable[[], Awaitable[Any]], context: "JobContext", worker: Any) -> Any:
    """Around every job of the worker: its id and name on each line, and one line at its end."""
    began, outcome = time.perf_counter(), "failed"
    token = _facts.set({"job": context.job.id, "task": context.job.task_name})
    try:
        with tracing.of_job(context.job.task_name):
            answer = await call_next()
        outcome = "ok"
        return answer
    finally:
        ms = round((time.perf_counter() - began) * 1000, 1)
        said = {"outcome": outcome, "ms": ms}
        job_log.info("%s %s in %s ms", context.job.task_name, outcome, ms, extra=said)
        _facts.reset(token)


def watch_jobs(app: "App") -> None:
    """Told by Procrastinate once its app is ready."""
    app.worker_defaults["worker_middleware"] = [watch_job]
