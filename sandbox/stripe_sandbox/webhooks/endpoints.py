"""Who gets which events, signed with which secrets: the endpoints as the deliveries see them.

Made through `/v1/webhook_endpoints`, or by the command line (`[TAIL@]URL=whsec_...`; without TAIL for the
events of every account).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from stripe_sandbox.core import ids, urls
from stripe_sandbox.core.store import Obj, Store

KIND = "webhook_endpoint"
#: The owner of command-line endpoints that get the events of every account.
EVERYBODY = "*"
ARGUMENT = re.compile(r"(?:(?P<tail>[^@/:=]+)@)?(?P<url>https?://[^\s=/]\S*)=(?P<secret>whsec_[^\s=]+)")


def parse_endpoint(argument: str) -> tuple[str, str, str]:
    """`[TAIL@]URL=whsec_...` -> (account or "*", url, secret). Raises ValueError with a sentence."""
    match = ARGUMENT.fullmatch(argument)
    if not match or not urls.is_web(match["url"]):
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
            endpoint = new_endpoint(url, ["*"], now, secret) | {"description": "Of the command line"}
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
    secret = new_secret()
    old = endpoint["_secrets"][0]["secret"]
    endpoint["_secrets"] = [{"secret": secret, "until": None}, {"secret": old, "until": now + expires_in}]
    store.save(account, endpoint)
    return secret


def new_secret() -> str:
    return "whsec_" + ids.letters(32)


def new_endpoint(url: str, events: list[str], now: int, secret: str) -> Obj:
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
