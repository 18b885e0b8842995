"""Webhook endpoints of the API. A secret is shown once, in the answer that makes it."""

from __future__ import annotations

from stripe_sandbox.box import Box
from stripe_sandbox.core import urls
from stripe_sandbox.core.errors import StripeError, invalid, missing_param
from stripe_sandbox.core.store import Obj
from stripe_sandbox.server.routes import Call, Params, fetch, listing, merge_metadata, route
from stripe_sandbox.webhooks.endpoints import KIND, new_endpoint, new_secret

MOST = 16


def _check(params: Params) -> None:
    url = params.get("url")
    if url is not None and not urls.is_web(url):
        message = "Invalid URL: An explicit scheme (such as https) must be provided."
        raise invalid(message, code="url_invalid", param="url", stored=False)
    if params.get("enabled_events") == []:
        raise missing_param("enabled_events")


def _find(box: Box, account: str, call: Call) -> Obj:
    return fetch(box, account, KIND, call.arg(), "webhook endpoint", "webhook_endpoint")


@route("POST", "/v1/webhook_endpoints")
def create(box: Box, account: str, params: Params, call: Call) -> Obj:
    _check(params)
    if params.get("connect"):
        raise _unsupported("connect", "connect endpoints")
    if len(box.store.list(account, KIND)[0]) >= MOST:
        raise invalid(f"You have reached the maximum of {MOST} test webhook endpoints.")
    secret = new_secret()
    endpoint = new_endpoint(params["url"], params["enabled_events"], box.clock.now(), secret)
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
