"""Pages that are the same for everybody, kept ready in each process and answered in front of Django.

A page is made by Django itself, asked without cookies: its headers are those of every page. It is kept where
it is public (`s-maxage` in its Cache-Control), in each language and way of writing money, with its compressed
copies, until what it shows may have changed (`Watch`). Whatever a kept page cannot answer goes on to Django.
"""

import gzip
import hashlib
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import brotli
from django.conf import settings
from django.http.request import split_domain_port, validate_host

from kopeck.front.watch import Watch
from kopeck.telemetry import logs
from kopeck.web import proxies
from kopeck.web.context import locale_of
from kopeck.web.middleware import language_of, split_language
from kopeck.web.visitors import STAMPED_FOR

Environ = dict[str, Any]
Headers = list[tuple[str, str]]
#: Bytes of all kept pages with their copies; beyond it those go that were made first.
MOST = 16 * 1024 * 1024
#: Seconds that one waits for another who makes the same page.
PATIENCE = 0.5
#: What Django is told of the request: nothing by which two visitors of one language differ.
TOLD = ("HTTP_HOST", "HTTP_ACCEPT_LANGUAGE", "HTTP_X_REQUEST_ID", *proxies.HEADERS)
#: What each answer says anew.
_OWN = ("content-length", "x-request-id", "vary")


@dataclass(frozen=True, slots=True)
class Copy:
    """A page in one encoding."""

    body: bytes
    etag: str
    headers: Headers


@dataclass(frozen=True, slots=True)
class Page:
    """`made`: the state that it shows (see `KeptPages._now`)."""

    made: tuple[int, int]
    copies: dict[str, Copy]

    @property
    def size(self) -> int:
        return sum(len(copy.body) for copy in self.copies.values())


@dataclass(frozen=True, slots=True)
class Answer:
    """What Django said."""

    status: str
    headers: Headers
    body: bytes

    @property
    def is_public(self) -> bool:
        said = {name.lower(): value for name, value in self.headers}
        public = "s-maxage" in said.get("cache-control", "") and "set-cookie" not in said
        return public and self.status.startswith("200")


class KeptPages:
    """`named`: the name of the route of a path and query that a kept page answers, else ""."""

    def __init__(self, application: Any, *, named: Callable[[str, str], str], watch: Watch) -> None:
        self.application, self.named, self.watch = application, named, watch
        self.size = 0
        self._pages: dict[tuple[str, ...], Page] = {}
        self._making: dict[tuple[str, ...], threading.Lock] = {}
        self._lock = threading.Lock()

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        began = time.perf_counter()
        path = environ["PATH_INFO"]
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD") or not is_asked_rightly(environ):
            return self.application(environ, start_response)  # type: ignore[no-any-return]
        chosen, rest = split_language(path)
        route = self.named(rest, environ.get("QUERY_STRING", ""))
        now = self._now() if route else None
        if now is None:
            return self.application(environ, start_response)  # type: ignore[no-any-return]
        key = (path.rstrip("/"), *variant_of(chosen, environ.get("HTTP_ACCEPT_LANGUAGE", "")))
        page = self._pages.get(key)
        if page is not None and page.made == now:
            name = logs.request_name(proxies.request_id(environ))
            status = _answer(page, environ, start_response, name)
            logs.answered(
                name, environ["REQUEST_METHOD"], path, route, status[0], time.perf_counter() - began
            )
            return status[1]
        return self._made_or_old(key, now, environ, start_response)

    def _now(self) -> tuple[int, int] | None:
        """What a page has to show: a number that grows with each change, and the time of its stamp."""
        generation = self.watch.generation()
        return None if generation is None else (generation, int(time.time()) // STAMPED_FOR)

    def _made_or_old(
        self, key: tuple[str, ...], now: tuple[int, int], environ: Environ, start_response: Any
    ) -> Iterable[bytes]:
        """The page made anew. While the database is away, and where making it takes long, the old one."""
        with self._lock:
            making = self._making.setdefault(key, threading.Lock())
        is_mine = making.acquire(timeout=PATIENCE)
        try:
            page, answer = self._pages.get(key), None
            if page is None or (is_mine and page.made != now):
                answer = _ask(self.application, environ)
                if answer.is_public:
                    page = self._keep(key, _page(answer, now))
                elif not answer.status.startswith("5") or page is None:
                    self._forget(key)
                    start_response(answer.status, answer.headers)
                    return [b"" if environ["REQUEST_METHOD"] == "HEAD" else answer.body]
        finally:
            if is_mine:
                making.release()
        # Django has written the line of a request that it was asked.
        name = logs.request_name(proxies.request_id(environ))
        return _answer(page, environ, start_response, name)[1]

    def _keep(self, key: tuple[str, ...], page: Page) -> Page:
        self._forget(key)
        with self._lock:
            self._pages[key] = page
            self.size += page.size
            while self.size > MOST and len(self._pages) > 1:
                oldest = next(iter(self._pages))
                self.size -= self._pages.pop(oldest).size
        return page

    def _forget(self, key: tuple[str, ...]) -> None:
        with self._lock:
            if old := self._pages.pop(key, None):
                self.size -= old.size
            if len(self._making) > 10 * len(self._pages) + 1000:
                self._making.clear()


def is_asked_rightly(environ: Environ) -> bool:
    """By a host of ours, and by https where the shop is there: whatever else is refused or led by Django."""
    if settings.SECURE_SSL_REDIRECT and not proxies.is_https(environ):
        return False
    return _is_allowed(environ.get("HTTP_HOST", ""), tuple(settings.ALLOWED_HOSTS))


@lru_cache(maxsize=100)
def _is_allowed(host: str, allowed: tuple[str, ...]) -> bool:
    return validate_host(split_domain_port(host)[0], list(allowed))


def variant_of(chosen: str, accepted: str) -> tuple[str, str]:
    """The page's language, `chosen` by its address or by Accept-Language, and the locale of its money."""
    return _variant_of(chosen, accepted[:200], settings.LANGUAGE_CODE)


@lru_cache(maxsize=1000)
def _variant_of(chosen: str, accepted: str, usual: str) -> tuple[str, str]:
    language = language_of(chosen, accepted)
    return language, str(locale_of(accepted, language))


@lru_cache(maxsize=1000)
def encoding_of(accepted: str) -> str:
    """ "br", "gzip" or "" for this Accept-Encoding; the first that the client takes."""
    taken = {}
    for part in accepted.lower().split(","):
        name, _, quality = part.partition(";")
        taken[name.strip()] = quality.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return next((name for name in ("br", "gzip") if taken.get(name, False)), "")


def _ask(application: Any, environ: Environ) -> Answer:
    told = {name: value for name, value in environ.items() if not name.startswith("HTTP_") or name in TOLD}
    said: list[Any] = []
    answer = application(
        {**told, "REQUEST_METHOD": "GET", "QUERY_STRING": ""}, lambda *words: said.extend(words)
    )
    try:
        body = b"".join(answer)
    finally:
        getattr(answer, "close", lambda: None)()
    return Answer(said[0], said[1], body)


def _page(answer: Answer, made: tuple[int, int]) -> Page:
    bodies = {"": answer.body, "gzip": gzip.compress(answer.body, 6, mtime=0)}
    bodies["br"] = brotli.compress(answer.body, mode=brotli.MODE_TEXT, quality=5)
    kept = [(name, value) for name, value in answer.headers if name.lower() not in _OWN]
    kept.append(("Vary", "Accept-Language, Accept-Encoding"))
    name = hashlib.sha256(answer.body).hexdigest()[:20]
    copies = {}
    for encoding, body in bodies.items():
        etag = f'"{name}{f"-{encoding}" if encoding else ""}"'
        encoded = [("Content-Encoding", encoding)] if encoding else []
        copies[encoding] = Copy(body, etag, [*kept, ("ETag", etag), *encoded])
    return Page(made, copies)


def _answer(page: Page, environ: Environ, start_response: Any, name: str) -> tuple[int, list[bytes]]:
    """Starts the answer: its status, and its body."""
    copy = page.copies[encoding_of(environ.get("HTTP_ACCEPT_ENCODING", ""))]
    known = environ.get("HTTP_IF_NONE_MATCH")
    if known and (copy.etag in known or known.strip() == "*"):
        start_response("304 Not Modified", [*copy.headers, ("X-Request-ID", name)])
        return 304, []
    length = ("Content-Length", str(len(copy.body)))
    start_response("200 OK", [*copy.headers, length, ("X-Request-ID", name)])
    return 200, [] if environ["REQUEST_METHOD"] == "HEAD" else [copy.body]
