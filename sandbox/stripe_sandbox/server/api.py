"""Stripe's API under /v1/: how one request is answered.

Key -> idempotency key -> fault -> parameters -> handler in a transaction -> expand -> answer ->
fault.
"""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from json.encoder import encode_basestring
from typing import Any
from urllib.parse import parse_qsl

from flask import Request, Response, g, request
from werkzeug.exceptions import HTTPException
from werkzeug.http import http_date
from werkzeug.wrappers import Response as AnyResponse

from stripe_sandbox.box import Box, cause
from stripe_sandbox.core import errors, ids
from stripe_sandbox.core.errors import StripeError
from stripe_sandbox.core.faults import CutConnection
from stripe_sandbox.server import forms
from stripe_sandbox.server.expand import expand
from stripe_sandbox.server.hosts import SETTING, hostname, is_answered, is_foreign
from stripe_sandbox.server.http import HELD_BACK
from stripe_sandbox.server.idempotency import Kept, Keys, fingerprint
from stripe_sandbox.server.keys import check_account, read_key, secret_key_required
from stripe_sandbox.server.routes import ROUTES, Call, Params, Route, is_elsewhere
from stripe_sandbox.versions.translate import NEWEST, down, of_library, shown_fields, up

OF_THE_API = ("/v1/", "/v2/")
#: What a path is about: its first word, or the first two of `/v1/checkout/sessions` and the like.
SUBJECT = re.compile(r"^(/v1/(?:checkout/)?\w+).*$")
Pairs = list[tuple[str, str]]
#: Of every answer of the API; CORS because Stripe.js calls from the shop's pages.
ALWAYS = (
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Allow-Headers", "*, Authorization"),
    ("Access-Control-Allow-Methods", "GET, HEAD, PUT, PATCH, POST, DELETE"),
    ("Cache-Control", "no-cache, no-store"),
)
HIDDEN = frozenset("_+")
SCALARS: dict[type, Callable[[Any], str]] = {
    str: encode_basestring,
    type(None): {None: "null"}.__getitem__,
    bool: {True: "true", False: "false"}.__getitem__,
    int: str,
    float: json.dumps,
}


class Api:
    """Stripe's API over one box."""

    def __init__(self, box: Box, allowed: Sequence[str]) -> None:
        self._box = box
        self._allowed = tuple(allowed)
        self._keys = Keys(box)

    def refuse_foreign_host(self) -> Response | None:
        """Asked before everything else, whatever the address: see hosts.py."""
        if is_answered(request.host, self._allowed):
            return None
        name = hostname(request.host) or "NAME"
        message = (
            f"The sandbox does not answer at {name}. If it should, start it with --allowed-host {name}, or "
            f"with {SETTING}={name} in its environment."
        )
        return self._refusal(errors.invalid(message, code="host_not_allowed", status=403))

    def view(self, route: Route) -> Callable[..., Response]:
        def answer(**args: str) -> Response:
            try:
                return self._answer(route, args)
            except StripeError as error:
                return self._refusal(error)
            except CutConnection:
                return _hang_up()

        return answer

    def _answer(self, route: Route, args: dict[str, str]) -> Response:
        asked = _request()
        key = read_key(asked.headers.get("Authorization"))
        if key.publishable and not route.publishable:
            raise secret_key_required()
        if not key.publishable and is_foreign(asked):
            # Any word is a secret key here: a page that the developer happens to open knows one.
            message = "Pages of other sites cannot use a secret key of the sandbox. Use a publishable key."
            raise errors.invalid(message, code="cross_site", status=403, stored=False)
        for header in ("Stripe-Account", "Stripe-Context"):
            check_account(key.account, asked.headers.get(header))
        account = self._box.faults.account_of(key.account)
        call = Call(
            id=_request_id(),
            method=route.method,
            template=route.template,
            url=asked.path.rstrip("/"),
            args=args,
            idempotency_key=asked.headers.get("Idempotency-Key") if route.method == "POST" else None,
            publishable=key.publishable,
            version=self._version(account, key.publishable),
            base_url=self._box.public_url or f"{asked.scheme}://{asked.host}{asked.root_path}",
        )
        g.asked = (account, call.version)
        with self._keys.claim(account, call.idempotency_key):
            try:
                self._box.faults.before(call.method, call.url)
                response = self._once(route, account, call)
                asked.environ[HELD_BACK] = self._box.faults.after()
            except StripeError as error:
                if error.status == 500 and error.stored and call.idempotency_key is not None:
                    self._keep(account, call, fingerprint(call.url, _pairs()), error)
                raise
        return response

    def _version(self, account: str, publishable: bool) -> str:
        """The API version that is spoken. An account's own is set by its first request, as at Stripe; what
        names none in a browser is the sandbox's Stripe.js, which speaks the newest."""
        named = request.headers.get("Stripe-Version")
        if named is not None and not forms.is_version(named):
            raise errors.invalid(f"Invalid Stripe API version: {named}")
        if publishable:
            return named or NEWEST
        if self._box.api_version is None and not self._box.has_version(account):
            self._box.set_version(account, named or of_library(request.headers.get("User-Agent", "")))
        return named or self._box.version_of(account)

    def _once(self, route: Route, account: str, call: Call) -> Response:
        """Do the work, or replay the answer that its idempotency key already got."""
        pairs = _pairs()
        if call.idempotency_key is None:
            return _json(*self._work(route, account, call, pairs, ""))
        print_ = fingerprint(call.url, pairs)
        kept = self._keys.recall(account, call.idempotency_key, print_)
        if kept is None:
            status, body = self._work(route, account, call, pairs, print_)
            return _json(status, body, {"Original-Request": call.id})
        replayed = {"Original-Request": kept.request_id, "Idempotent-Replayed": "true"}
        return _json(kept.status, kept.body, replayed)

    def _work(self, route: Route, account: str, call: Call, pairs: Pairs, print_: str) -> tuple[int, str]:
        sent = forms.decode(pairs)
        up(call.version, call.method, call.template, sent)
        params = forms.check(call.method, call.template, sent)
        token = cause.set({"id": call.id, "idempotency_key": call.idempotency_key})
        try:
            # What only reads needs no transaction: it would wait for the disk. Few write, each in its own.
            store = self._box.store
            with store.alone() if call.method == "GET" else store.transaction():
                status, body = self._handled(route, account, call, params)
                if call.idempotency_key is not None:
                    self._keys.keep(account, call.idempotency_key, print_, Kept(status, body, call.id))
        except StripeError as error:
            if call.idempotency_key is None or not error.stored:
                raise
            status, body = error.status, self._keep(account, call, print_, error)
        finally:
            cause.reset(token)
        return status, body

    def _keep(self, account: str, call: Call, print_: str, error: StripeError) -> str:
        """Remember an error as the answer to its idempotency key; its body."""
        body = self._told(error, call.id)
        self._keys.keep(account, str(call.idempotency_key), print_, Kept(error.status, body, call.id))
        return body

    def _handled(self, route: Route, account: str, call: Call, params: Params) -> tuple[int, str]:
        paths = params.pop("expand", None) or []
        try:
            obj = route.handler(self._box, account, params, call)
        except StripeError as error:
            if not error.keeps_work:
                raise
            return error.status, self._told(error, call.id)
        expand(self._box, account, obj, paths, shown_fields(call.version))
        down(self._box.store, account, obj, call.version)
        return 200, _dump(obj)

    def not_here(self) -> Response:
        """What Stripe has and the sandbox has not, whatever key or parameters come along."""
        here = ", ".join(sorted({SUBJECT.sub(r"\1", template) for _, template in ROUTES}))
        message = (
            f"The local sandbox does not have {request.method} {request.path.rstrip('/')}, "
            f"though Stripe does. What it has is below {here}."
        )
        return self._refusal(errors.invalid(message, code="sandbox_not_supported", status=404))

    def unknown(self, error: HTTPException) -> AnyResponse:
        """404 and 405: below /v1/ and /v2/ in Stripe's words, elsewhere as they are."""
        if not request.path.startswith(OF_THE_API):
            return error.get_response()
        if is_elsewhere(request.method, request.path):
            return self.not_here()
        empty = (
            "If you are trying to list objects, remove the trailing slash. If you are trying to retrieve an "
            "object, make sure you passed a valid (non-empty) identifier in your code. "
        )
        return self._refusal(
            errors.invalid(
                f"Unrecognized request URL ({request.method}: {request.path}). "
                f"{empty if request.path.endswith('/') else ''}"
                "Please see https://stripe.com/docs or we can help at https://support.stripe.com/.",
                status=404,
            )
        )

    def too_large(self, error: HTTPException) -> AnyResponse:
        """413: more than Flask's MAX_CONTENT_LENGTH."""
        if not request.path.startswith(OF_THE_API):
            return error.get_response()
        message = "The request's body is too large: the local sandbox takes 4 MB at most."
        return self._refusal(errors.invalid(message, status=413))

    def broken(self, error: HTTPException) -> AnyResponse:
        """A defect of the sandbox itself; Flask has already logged the traceback."""
        if not request.path.startswith(OF_THE_API):
            return error.get_response()
        return self._refusal(
            StripeError(500, "api_error", "The local sandbox failed; its log has the traceback.")
        )

    def _told(self, error: StripeError, request_id: str) -> str:
        """The error's body; an object inside is written in the version that was asked for."""
        body = error.body(request_id)
        account, version = g.get("asked", ("", NEWEST))
        down(self._box.store, account, body["error"], version)
        return _dump(body)

    def _refusal(self, error: StripeError) -> Response:
        response = _json(error.status, self._told(error, _request_id()))
        response.headers.update(error.headers)
        return response

    def headers(self, response: Response) -> Response:
        """What every answer of the API carries."""
        asked = _request()
        if asked.path.startswith(OF_THE_API):
            version = asked.headers.get("Stripe-Version", g.get("asked", ("", NEWEST))[1])
            response.headers["Request-Id"] = _request_id()
            response.headers["Date"] = http_date(self._box.clock.now())
            response.headers["Stripe-Version"] = version
            response.headers.extend(ALWAYS)
            if key := asked.headers.get("Idempotency-Key"):
                response.headers["Idempotency-Key"] = key
            if response.status_code < 500 and response.status_code not in (409, 429):
                response.headers["Stripe-Should-Retry"] = "false"
        return response


def _request() -> Request:
    """The request itself: each look through Flask's stand-in for it costs as much as what is looked for."""
    found: Request = request._get_current_object()  # type: ignore[attr-defined]
    return found


def _request_id() -> str:
    found = g.get("request_id")
    if found is None:
        found = g.request_id = ids.new("req")
    return str(found)


def _pairs() -> Pairs:
    """The parameters of the query and of the form, in order."""
    asked = _request()
    pairs = parse_qsl(asked.query_string.decode("utf-8", "replace"), keep_blank_values=True)
    if asked.method == "GET":
        return pairs
    if asked.mimetype == "multipart/form-data":
        return pairs + list(asked.form.items(multi=True))
    body = asked.get_data()
    if body and asked.mimetype not in ("application/x-www-form-urlencoded", ""):
        raise errors.invalid(
            "Invalid request (check that your POST content type is application/x-www-form-urlencoded). If "
            "you have any questions, we can help at https://support.stripe.com/.",
            stored=False,
        )
    return pairs + parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)


def _dump(body: Any) -> str:
    return _text(body, "\n") + "\n"


def _text(value: Any, margin: str) -> str:
    """JSON as Stripe indents it, without the keys that Stripe doesn't show: what `json.dumps(shown(value),
    indent=2)` gives, in a fifth of the time, which is much of the time of an answer."""
    inner = margin + "  "
    if isinstance(value, dict):
        members = []
        for name, item in value.items():
            if name[:1] in HIDDEN:
                continue
            # Most members are no objects: these are written without a call of this for each.
            kind = type(item)
            text = SCALARS[kind](item) if kind in SCALARS else _text(item, inner)
            members.append(f"{encode_basestring(name)}: {text}")
        return "{" + inner + f",{inner}".join(members) + margin + "}" if members else "{}"
    if isinstance(value, list):
        members = [_text(item, inner) for item in value]
        return "[" + inner + f",{inner}".join(members) + margin + "]" if members else "[]"
    return SCALARS[type(value)](value)


def _json(status: int, body: str, headers: dict[str, str] | None = None) -> Response:
    return Response(body, status, headers, mimetype="application/json")


def _hang_up() -> Response:
    """Close the client's socket with no answer; the answer that follows meets a closed door."""
    connection = request.environ.get("werkzeug.socket")
    if isinstance(connection, socket.socket):
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
    return Response(status=503)
