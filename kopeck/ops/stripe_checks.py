"""The doctor's questions to Stripe, account by account: keys, clock, webhook endpoint, discounts and taxes.

Nothing is changed at Stripe. The one request to the shop itself is a signed body that is no event: the answer
tells whether the address leads to this shop, and whether the shop that runs there has the secret we have.
"""

import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from django.conf import settings
from django.db import DatabaseError

from kopeck.reconcile.compare import MIRRORED, Scope, reconcile
from kopeck.stripe_api.accounts import (
    PUBLISHABLE_KEY,
    SANDBOX_PUBLISHABLE_KEY,
    SECRET_KEY,
    WEBHOOK_SECRET,
    Account,
    variable,
)
from kopeck.stripe_api.client import API_VERSION, Gateway, StripeRefused, StripeUnavailable, gateway
from kopeck.stripe_api.events import sign
from kopeck.webhooks import endpoints

MOST_SKEW = 60  # seconds
#: Keys name their account: what follows sk_test_5 begins as what follows acct_. Older and foreign ones don't.
_HOLDER = re.compile(r"(?:sk|rk|pk)_(?:test|live)_5(1\w{15})\w+", re.ASCII)
MAKE = "manage.py stripe_webhooks"


@dataclass(frozen=True, slots=True)
class Check:
    """One line: `level` ok, warn or fail; how it is (`said`), and what to `do` about it."""

    area: str
    name: str
    level: Literal["ok", "warn", "fail"]
    said: str
    do: str = ""

    def __str__(self) -> str:
        sign = {"ok": "✓", "warn": "!", "fail": "✗"}[self.level]
        return f"{sign} {self.area}, {self.name}: {self.said}{f' -> {self.do}' if self.do else ''}"


def examine(*, with_database: bool) -> Iterator[Check]:
    """Every account in turn, then all of them beside each other."""
    holders: dict[str, list[str]] = {}
    for account in settings.STRIPE_ACCOUNTS.values():
        wire = gateway(account.name)
        keys = _keys(wire)
        yield keys
        if keys.level == "fail":
            continue
        holder = _try(wire.account_id)
        if isinstance(holder, str):
            holders.setdefault(holder, []).append(account.name)
        yield _publishable_key(wire, holder if isinstance(holder, str) else "")
        yield _clock(wire)
        yield from _webhook(wire)
        if with_database:
            yield _mirrored(account)
    for holder, names in holders.items():
        if len(names) > 1:
            said = f"{' and '.join(names)} have keys of the same Stripe account, {holder}"
            yield Check("stripe", "accounts", "warn", said, "is that meant? One keypair would do")


def _try(ask: Callable[[], Any]) -> Any:
    """The answer, or the refusal: a restricted key need not be allowed everything that the doctor asks."""
    try:
        return ask()
    except (StripeRefused, StripeUnavailable) as trouble:
        return trouble


def _area(account: Account) -> str:
    return f"stripe {account.name}"


def _keys(wire: Gateway) -> Check:
    account, name = wire.account, variable(SECRET_KEY, wire.account.name)
    # Both ask for what every key of a shop may read.
    answer = _try(wire.server_time)
    if isinstance(answer, StripeUnavailable):
        return Check(_area(account), "keys", "fail", str(answer), "is Stripe reachable from here?")
    if isinstance(answer, StripeRefused):
        return Check(_area(account), "keys", "fail", str(answer), f"set {name} to a key that Stripe knows")
    livemode = _try(wire.livemode)
    if isinstance(livemode, bool) and livemode != account.livemode:
        said = f"Stripe says that this is a {_mode(livemode)} key"
        return Check(_area(account), "keys", "fail", said, f"set {name} to a {_mode(account.livemode)} key")
    kind = "restricted key" if account.secret_key.startswith("rk_") else "secret key"
    return Check(_area(account), "keys", "ok", f"the {kind} works, {_mode(account.livemode)} mode")


def _mode(livemode: bool) -> str:
    return "live" if livemode else "test"


def _publishable_key(wire: Gateway, holder: str) -> Check:
    """By asking with it for what the account has; else by what the keys themselves tell."""
    account, name = wire.account, variable(PUBLISHABLE_KEY, wire.account.name)
    do = f"set {name} to the one beside the secret key in Stripe's Dashboard"
    reads = _try(wire.publishable_key_reads)
    own, theirs = _HOLDER.fullmatch(account.publishable_key), _HOLDER.fullmatch(account.secret_key)
    if reads is False:
        return Check(_area(account), "publishable key", "fail", "it is not of this account", do)
    if reads is True:
        return Check(_area(account), "publishable key", "ok", "it reads this account's payments")
    of = theirs[1] if theirs else holder.removeprefix("acct_")
    if own and of:
        if own[1] != of:
            return Check(_area(account), "publishable key", "fail", "it looks to be of another account", do)
        return Check(_area(account), "publishable key", "ok", "it is of the secret key's account")
    if settings.STRIPE_SANDBOX and account.publishable_key.startswith(SANDBOX_PUBLISHABLE_KEY):
        return Check(_area(account), "publishable key", "ok", "the sandbox's own")
    do = "ask again after the first payment"
    return Check(_area(account), "publishable key", "warn", "whose it is can't be told yet", do)


def _clock(wire: Gateway) -> Check:
    before = time.time()
    theirs = _try(wire.server_time)
    if not isinstance(theirs, float):
        return Check(_area(wire.account), "clock", "warn", "Stripe's answer has no date")
    skew = (before + time.time()) / 2 - theirs
    said = f"{abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} Stripe's"
    if abs(skew) > MOST_SKEW:
        do = "set this machine's clock (NTP): at five minutes every webhook is refused"
        return Check(_area(wire.account), "clock", "fail", said, do)
    # Stripe's date counts whole seconds.
    return Check(_area(wire.account), "clock", "ok", said if abs(skew) > 2 else "as Stripe's")


def _webhook(wire: Gateway) -> Iterator[Check]:
    account, area = wire.account, _area(wire.account)
    path, name = endpoints.path_of(account.name), variable(WEBHOOK_SECRET, account.name)
    if not account.webhook_secrets:
        said = f"{name} is not set, so {path} answers 404"
        yield Check(area, "webhook secret", "fail", said, MAKE)
    found = _try(lambda: list(wire.list_all("webhook_endpoint")))
    if not isinstance(found, list):
        do = "let this key read webhook endpoints, or look in Stripe's Dashboard"
        yield Check(area, "webhook endpoint", "warn", f"Stripe does not tell: {found}", do)
        return
    lead = [endpoint for endpoint in found if endpoints.leads_here(endpoint, account.name)]
    site = settings.SITE_URL
    here = [endpoint for endpoint in lead if not site or endpoints.is_at(endpoint, account.name, site)]
    if not here:
        addresses = ", ".join(endpoint["url"] for endpoint in lead or found) or "nothing"
        said = f"none leads to {site or 'the shop'}{path}: Stripe delivers to {addresses}"
        yield Check(area, "webhook endpoint", "fail", said, MAKE)
        return
    # A disabled or unpinned one may lie beside the good one.
    endpoint = max(here, key=lambda one: (one["status"] == "enabled", endpoints.is_pinned(one)))
    yield from _endpoint(area, endpoint)
    if account.webhook_secrets:
        yield _arrives(account, endpoint["url"])
    if len([one for one in here if one["status"] == "enabled"]) > 1:
        said = f"{len(here)} endpoints deliver the same events here"
        yield Check(area, "webhook endpoint", "warn", said, f"{MAKE} --finish")


def _endpoint(area: str, endpoint: dict[str, Any]) -> Iterator[Check]:
    if endpoint["status"] == "enabled":
        yield Check(area, "webhook endpoint", "ok", endpoint["url"])
    else:
        yield Check(area, "webhook endpoint", "fail", f"{endpoint['url']} is {endpoint['status']}", MAKE)
    missing = endpoints.missing_events(endpoint)
    if missing:
        yield Check(area, "webhook events", "fail", f"not sent: {', '.join(missing)}", MAKE)
    else:
        yield Check(area, "webhook events", "ok", f"all {len(endpoints.event_types())} that the shop handles")
    version = endpoint["api_version"]
    if endpoints.is_pinned(endpoint):
        yield Check(area, "webhook version", "ok", version or API_VERSION)
    else:
        said = f"{version or 'the default of the account'} instead of {API_VERSION}"
        yield Check(area, "webhook version", "warn", said, MAKE)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_args: Any, **_more: Any) -> None:
        return None


def _opener() -> urllib.request.OpenerDirector:
    # The webhook of a shop at play is on this machine, or a name that only the containers know.
    direct = [urllib.request.ProxyHandler({})] if settings.STRIPE_SANDBOX else []
    return urllib.request.build_opener(_NoRedirects, *direct)


def _arrives(account: Account, url: str) -> Check:
    """Knocks at the webhook's address with our own signature."""
    area, name = _area(account), variable(WEBHOOK_SECRET, account.name)
    body = "{}"
    headers = {"Content-Type": "application/json", "Stripe-Signature": sign(account, body)}
    request = urllib.request.Request(url, body.encode(), headers)  # noqa: S310 - Stripe has it as http(s)
    try:
        with _opener().open(request, timeout=5) as answer:
            status, said = answer.status, answer.read(2000)
    except urllib.error.HTTPError as refusal:
        with refusal:
            status, said = refusal.code, refusal.read(2000)
    except OSError as trouble:
        do, why = "see whether it can be from the internet", getattr(trouble, "reason", trouble)
        return Check(area, "webhook address", "warn", f"not reachable from here: {why}", do)
    code = _code(said)
    if code == "payload_unreadable":  # past the signature: the one who answers has this secret
        return Check(area, "webhook address", "ok", "leads to this shop, with this secret")
    if code in ("signature_wrong", "no_such_endpoint"):
        said_so = "the shop that answers there has another webhook secret, or none"
        return Check(area, "webhook address", "fail", said_so, f"give it {name} and start it anew")
    if code == "signature_too_old":
        return Check(area, "webhook address", "fail", "its clock is wrong", "set its clock (NTP)")
    where = "a redirect, which Stripe does not follow" if 300 <= status < 400 else f"status {status}"
    do = "repair the proxy before it, or the address at Stripe"
    return Check(area, "webhook address", "fail", f"not this shop answers there: {where}", do)


def _code(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"]["code"])
    except (ValueError, KeyError, TypeError):
        return ""


def _mirrored(account: Account) -> Check:
    scope = Scope((account.name,), kinds=tuple(MIRRORED), repair=frozenset(), store=False)
    try:
        report = reconcile(scope)
    except DatabaseError as trouble:
        return _not_compared(account, str(trouble))
    for said in report.troubles.values():
        return _not_compared(account, said)
    if count := len(report.left):
        said = f"{count} discrepanc{'ies' if count > 1 else 'y'}"
        return Check(_area(account), "discounts and taxes", "warn", said, "manage.py mirror --repair")
    return Check(_area(account), "discounts and taxes", "ok", "the same at Stripe")


def _not_compared(account: Account, trouble: str) -> Check:
    do = "does the key reach coupons and tax rates?"
    return Check(_area(account), "discounts and taxes", "fail", f"can't be compared: {trouble}", do)
