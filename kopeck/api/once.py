"""`Idempotency-Key`: a POST that is sent twice is done once, and its first answer is given again.

Only what was done is kept. A refused request did nothing, so its key may try again. Where nobody but our
database is asked, the answer commits with what was done (`once`). A refund finds its own row by the key
(`by_itself`). An order has one way to pay however often it is asked for, and that holds secrets, which are
written nowhere (`anew`). Of such a request, which spends no budget, a browser's key is known only while it is
worked on: else nothing would bound its rows.
"""

import hashlib
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any
from uuid import UUID, uuid4, uuid5

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from kopeck.api.access import token_of
from kopeck.api.models import BEGIN, Answer
from kopeck.database import rows
from kopeck.errors import ShopError

View = Callable[..., HttpResponse]
#: Longer than a request may take that asks Stripe; then the one who had the key counts as dead.
LEASE = timedelta(minutes=2)
LONGEST = 255
_SPACE = UUID("6d4f2c1e-5a0b-4c7e-9d52-2f0f3b6a7c11")


def once(view: View) -> View:
    """For what asks nobody but the database: the answer commits with what was done."""

    def act(request: HttpRequest, answer: Answer, go: Callable[[], HttpResponse]) -> HttpResponse:
        with transaction.atomic():
            response = go()
            if response.status_code >= 400:
                transaction.set_rollback(True)
            elif not _keep(answer, response):
                # It took longer than its lease, and a repetition has it by now: one of the two does it.
                raise _at_work()
        return response

    return _with_key(view, act)


def by_itself(view: View) -> View:
    """For what Stripe is asked for, and finds what it made before by the same key (`key_of`)."""

    def act(request: HttpRequest, answer: Answer, go: Callable[[], HttpResponse]) -> HttpResponse:
        response = go()
        if response.status_code < 400:
            _keep(answer, response)
        return response

    return _with_key(view, act)


def anew(view: View) -> View:
    """For what is the same however often it is asked for: nothing of the answer is kept."""

    def act(request: HttpRequest, answer: Answer, go: Callable[[], HttpResponse]) -> HttpResponse:
        response = go()
        if response.status_code < 400:
            if token_of(request) is None:
                _forget(answer)
            else:
                answer.release()
        return response

    return _with_key(view, act)


def key_of(request: HttpRequest) -> UUID:
    """The same for each repetition of a request with a key; for others a new one."""
    key = _read(request)
    return uuid5(_SPACE, f"{_owner(request)} {key}") if key else uuid4()


def _with_key(view: View, act: Callable[..., HttpResponse]) -> View:
    @wraps(view)
    def keyed(request: HttpRequest, **address: Any) -> HttpResponse:
        key = _read(request)
        if not key:
            return view(request, **address)
        owner, fingerprint, now = _owner(request), _fingerprint(request), timezone.now()
        until = now + LEASE
        begun = rows.read(BEGIN, [owner, key, fingerprint, until, now])
        if not begun:
            return _again(Answer.objects.filter(owner=owner, key=key).first(), fingerprint)
        answer = Answer(pk=begun[0][0], lease_until=until)
        try:
            response: HttpResponse = act(request, answer, lambda: view(request, **address))
        except BaseException:
            _forget(answer)
            raise
        if response.status_code >= 400:
            _forget(answer)
        return response

    return keyed


def _read(request: HttpRequest) -> str:
    key = request.headers.get("Idempotency-Key", "")
    if len(key) > LONGEST or not key.isascii() or not key.isprintable():
        message = _("An Idempotency-Key has at most 255 letters of ASCII: a random UUID is a good one.")
        raise ShopError("idempotency_key_bad", message, status=400)
    return key


def _owner(request: HttpRequest) -> str:
    token = token_of(request)
    owner: str = token.digest if token else request.visitor.known_key  # type: ignore[attr-defined]
    if not owner:
        message = _(
            "An Idempotency-Key needs a token or the shop's cookie: else nobody knows who asks again."
        )
        raise ShopError("idempotency_key_of_nobody", message, status=400)
    return owner


def _fingerprint(request: HttpRequest) -> str:
    asked = f"{request.method} {request.get_full_path()}\0".encode() + request.body
    return hashlib.sha256(asked).hexdigest()


def _again(known: Answer | None, fingerprint: str) -> HttpResponse:
    if known is not None and known.fingerprint != fingerprint:
        raise key_used()
    if known is None or known.status is None:  # None: it was refused in this very moment
        raise _at_work()
    response = HttpResponse(known.body, status=known.status, content_type="application/json; charset=utf-8")
    response["Idempotent-Replayed"] = "true"
    return response


def key_used() -> ShopError:
    message = _("This Idempotency-Key was used for another request. Please take a new one.")
    return ShopError("idempotency_key_used", message, status=422)


def _at_work() -> ShopError:
    message = _("The first request with this Idempotency-Key is being worked on. Please ask again soon.")
    return ShopError("idempotency_key_at_work", message, status=409, retry_after=1)


def _keep(answer: Answer, response: HttpResponse) -> bool:
    """False where a repetition has taken the key over since."""
    return answer.release(status=response.status_code, body=response.content.decode())


def _forget(answer: Answer) -> None:
    answer.mine().filter(status=None).delete()
