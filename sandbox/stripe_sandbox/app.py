"""The rooms put together: Stripe's API, and around it the pages, Stripe.js and /_sandbox/, on one port."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from urllib.parse import urlsplit
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from flask import Flask, Request, Response
from flask.sessions import NullSession, SessionInterface, SessionMixin
from werkzeug.utils import redirect

from stripe_sandbox.box import Box
from stripe_sandbox.checkout import sessions
from stripe_sandbox.checkout.pages import hosted
from stripe_sandbox.control import dashboard, views
from stripe_sandbox.control.sweep import sweep
from stripe_sandbox.js import element, intent_pages, script
from stripe_sandbox.resources import (
    account,
    balance_transactions,
    charges,
    confirmation_tokens,
    coupons,
    customers,
    disputes,
    events,
    payment_methods,
    prices,
    products,
    promotion_codes,
    refunds,
    search,
    setup_intents,
    shipping_rates,
    tax_rates,
    tokens,
    webhook_endpoints,
)
from stripe_sandbox.resources.payment_intents import intents
from stripe_sandbox.server.api import Api
from stripe_sandbox.server.hosts import hostname
from stripe_sandbox.server.http import LONGEST_BODY, Connections, bind
from stripe_sandbox.server.routes import ROUTES, mistaken

#: Each has registered its methods with @route when it was imported.
RESOURCES = (
    account, balance_transactions, charges, confirmation_tokens, coupons, customers, disputes, events,
    intents, payment_methods, prices, products, promotion_codes, refunds, search, sessions,
    setup_intents, shipping_rates, tax_rates, tokens, webhook_endpoints,
)  # fmt: skip
#: Each puts the addresses around Stripe's API on the application.
SURFACES = (hosted, intent_pages, element, script, dashboard, views)
SWEEP_SECONDS = 1.0
LOG = logging.getLogger(__name__)
NOBODY = NullSession()


class NoSessions(SessionInterface):
    """Neither the API nor a page knows a visitor again: no cookie is read, and none is set."""

    def open_session(self, app: Flask, request: Request) -> NullSession:
        return NOBODY

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """There is nothing to keep."""


class Application(Flask):
    """Flask without what every request would pay for and no view needs."""

    session_interface = NoSessions()

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        return func


def create_app(box: Box, allowed: Sequence[str] = ()) -> Flask:
    """The WSGI application of one box. `allowed`: more names to answer at (hosts.read_names)."""
    app = Application("stripe_sandbox")
    app.url_map.strict_slashes = False
    app.config["MAX_CONTENT_LENGTH"] = LONGEST_BODY
    public = hostname(urlsplit(box.public_url or "").netloc)  # where browsers find it
    api = Api(box, (*allowed, public) if public else allowed)
    app.before_request(api.refuse_foreign_host)
    for (method, template), found in ROUTES.items():
        path = template.replace("{", "<").replace("}", ">")
        # Stripe has no address that ends with a slash: what comes so has lost an id.
        app.add_url_rule(path, f"{method} {template}", api.view(found), methods=[method], strict_slashes=True)
    for method, path in mistaken():
        app.add_url_rule(path, f"{method} {path}", api.not_here, methods=[method], strict_slashes=True)
    for surface in SURFACES:
        surface.register(app, box)
    app.register_error_handler(404, api.unknown)
    app.register_error_handler(405, api.unknown)
    app.register_error_handler(413, api.too_large)
    app.register_error_handler(500, api.broken)
    app.after_request(api.headers)
    if folder := urlsplit(box.public_url or "").path:
        app.wsgi_app = mounted(app.wsgi_app, folder)  # type: ignore[assignment, method-assign]
    return app


def mounted(application: WSGIApplication, folder: str) -> WSGIApplication:
    """Answers below `folder` ("/stripe") too, where a proxy leads to us from an address that others share."""

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == folder:  # its links are relative
            return redirect(f"{folder}/", 308)(environ, start_response)
        if path.startswith(f"{folder}/"):
            environ = {**environ, "SCRIPT_NAME": folder, "PATH_INFO": path.removeprefix(folder)}
        return application(environ, start_response)

    return answer


class SandboxServer:
    """`start()` serves in the background; `url` is where. `app` replaces the box's own application (tests
    wrap it); `allowed` are the names that this one answers at, besides the one it listens at."""

    def __init__(
        self,
        box: Box,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        allowed: Sequence[str] = (),
        app: WSGIApplication | None = None,
    ) -> None:
        self.box = box
        self._connections = Connections()
        self._server = bind(host, port, app or create_app(box, (*allowed, host.lower())), self._connections)
        shown_host = "127.0.0.1" if host in ("0.0.0.0", "") else host  # noqa: S104 - a comparison
        self.url = f"http://{f'[{shown_host}]' if ':' in shown_host else shown_host}:{self._server.port}"
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(
                target=self._server.serve_forever, args=(0.05,), name="sandbox-http", daemon=True
            ),
            threading.Thread(target=self._sweep, name="sandbox-sweep", daemon=True),
        ]

    def start(self) -> SandboxServer:
        self.box.webhooks.start()
        for thread in self._threads:
            thread.start()
        return self

    def stop(self) -> None:
        """Stop serving and hang up on everybody; the box stays open (its owner closes it)."""
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._connections.close()
        for thread in self._threads:
            thread.join()

    def _sweep(self) -> None:
        while not self._stopping.wait(SWEEP_SECONDS):
            try:
                sweep(self.box)
            except sqlite3.Error as error:  # a full disk, or another program that holds the file
                LOG.error("Nothing could expire or be settled just now: %s. It is tried again.", error)
