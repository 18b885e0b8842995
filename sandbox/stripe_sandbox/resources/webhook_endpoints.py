"""Webhook endpoints: who gets which events, signed with which secrets.

Made through `/v1/webhook_endpoints`, or by the command line (`[TAIL@]URL=whsec_...`; without TAIL for the
events of every account). A secret is shown once, in the answer that makes it, as Stripe does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from stripe_sandbox.core import ids
from stripe_sandbox.core.errors import StripeError, invalid, missing_param
from stripe_sandbox.core.store import Obj, Store
from stripe_sandbox.server.routes import Call, Params, fetch, listing, merge_metadata, route

if TYPE_CHECKING:
    from stripe_sandbox.box import Box

KIND = "webhook_endpoint"
#: The owner of command-line endpoints that get the events of every account.
EVERYBODY = "*"
MOST = 16
ARGUMENT = re.compile(r"(?:(?P<tail>[^@/:=]+)@)?(?P<url>https?://[^\s=/]\S*)=(?P<secret>whsec_[^\s=]+)")


def parse_endpoint(argument: str) -> tuple[str, str, str]:
    """`[TAIL@]URL=whsec_...` -> (account or "*", url, secret). Raises ValueError with a sentence."""
    match = ARGUMENT.fullmatch(argument)
    if not match:
        raise ValueError(f"A webhook is URL=whsec_... or TAIL@URL=whsec_..., not {argument!r}.")
    return match["tail"] or EVERYBODY, match["url"], match["secret"]


def upsert_arguments(store: Store, now: int, arguments: Iterable[tuple[str, str, str]]) -> None:
    """Make the command line's endpoints true: each there once, enabled, with its secret; those of former
    command lines gone, so that a port given up isn't knocked at for ever."""
    wanted = {(account, url): secret for account, url, secret in arguments}
    with store.transaction():
        for account in {*store.accounts(), *(account for account, _ in wanted)}:
            for endpoint in store.list(account, KIND, where={"_from_command_line": True})[0]:
                secret = wanted.pop((account, endpoint["url"]), None)
                if secret is None:
                    store.delete(account, KIND, endpoint["id"])
                else:
                    endpoint |= {"_secrets": [{"secret": secret, "until": None}], "status": "enabled"}
                    store.save(account, endpoint)
        for (account, url), secret in wanted.items():
            endpoint = _new(url, ["*"], now, secret) | {"description": "Of the command line"}
            store.insert(account, endpoint | {"_from_command_line": True})


def wanting(store: Store, account: str, event_type: str) -> list[tuple[str, Obj]]:
    """(owner, endpoint) of the enabled endpoints that want this type of event of `account`."""
    return [
        (owner, endpoint)
        for owner in (EVERYBODY, account)
        for endpoint in reversed(store.list(owner, KIND)[0])
        if endpoint["status"] == "enabled" and {"*", event_type} & set(endpoint["enabled_events"])
    ]


def valid_secrets(endpoint: Obj, now: int) -> list[str]:
    """The secrets to sign with: the present one, and until its time is over the one that it replaced."""
    return [kept["secret"] for kept in endpoint["_secrets"] if kept["until"] is None or now < kept["until"]]


def roll(store: Store, account: str, endpoint: Obj, now: int, expires_in: int) -> str:
    """Give the endpoint a new secret and answer it; the old one signs along for `expires_in` seconds."""
    secret = _new_secret()
    old = endpoint["_secrets"][0]["secret"]
    endpoint["_secrets"] = [{"secret": secret, "until": None}, {"secret": old, "until": now + expires_in}]
    store.save(account, endpoint)
    return secret


def _new_secret() -> str:
    return "whsec_" + ids.letters(32)


def _new(url: str, events: list[str], now: int, secret: str) -> Obj:
    return {
        "id": ids.new("we"),
        "object": KIND,
        "api_version": None,
        "application": None,
        "created": now,
        "description": None,
        "enabled_events": events,
        "livemode": False,
        "metadata": {},
        "status": "enabled",
        "url": url,
        "_secrets": [{"secret": secret, "until": None}],
    }


def _check(params: Params) -> None:
    url = params.get("url")
    if url is not None and (urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname):
        message = "Invalid URL: An explicit scheme (such as https) must be provided."
        raise invalid(message, code="url_invalid", param="url", stored=False)
    if params.get("enabled_events") == []:
        raise missing_param("enabled_events")


def _find(box: Box, account: str, call: Call) -> Obj:
    return fetch(box, account, KIND, call.arg(), "webhook endpoint", "webhook_endpoint")


@route("POST", "/v1/webhook_endpoints")
def create(box: Box, account: str, params: Params, call: Call) -> Obj:
    from stripe_sandbox.box import API_VERSION  # box imports the webhooks, and they this module

    _check(params)
    if params.get("connect"):
        raise _unsupported("connect", "connect endpoints")
    if params.get("api_version", API_VERSION) != API_VERSION:
        raise _unsupported("api_version", f"versions other than {API_VERSION}")
    if len(box.store.list(account, KIND)[0]) >= MOST:
        raise invalid(f"You have reached the maximum of {MOST} test webhook endpoints.")
    secret = _new_secret()
    endpoint = _new(params["url"], params["enabled_events"], box.clock.now(), secret)
    endpoint |= {"api_version": params.get("api_version"), "description": params.get("description")}
    merge_metadata(endpoint, params.get("metadata"))
    box.store.insert(account, endpoint)
    return endpoint | {"secret": secret}


def _unsupported(param: str, what: str) -> StripeError:
    return invalid(f"The local sandbox doesn't have {what}.", param=param, stored=False)


@route("GET", "/v1/webhook_endpoints")
def list_(box: Box, account: str, params: Params, call: Call) -> Obj:
    return listing(box, account, KIND, params, call)


@route("GET", "/v1/webhook_endpoints/{webhook_endpoint}")
def retrieve(box: Box, account: str, params: Params, call: Call) -> Obj:
    return _find(box, account, call)


@route("POST", "/v1/webhook_endpoints/{webhook_endpoint}")
def update(box: Box, account: str, params: Params, call: Call) -> Obj:
    _check(params)
    endpoint = _find(box, account, call)
    endpoint |= {name: params[name] for name in ("url", "enabled_events", "description") if name in params}
    if "disabled" in params:
        endpoint["status"] = "disabled" if params["disabled"] else "enabled"
    if "metadata" in params:
        merge_metadata(endpoint, params["metadata"])
    box.store.save(account, endpoint)
    return endpoint


@route("DELETE", "/v1/webhook_endpoints/{webhook_endpoint}")
def delete(box: Box, account: str, params: Params, call: Call) -> Obj:
    endpoint = _find(box, account, call)
    box.store.delete(account, KIND, endpoint["id"])
    return {"id": endpoint["id"], "object": KIND, "deleted": True}
