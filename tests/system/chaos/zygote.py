"""A process that handles one request in a fork of itself, and kills that fork at the step it is told.

`python -m tests.system.chaos.zygote DATABASE` reads one JSON line a request and answers each with one: the
signal that ended the fork (0: none) and, of a request that was let live, its steps and status. Forked from a
process with one thread and no connection, so that forking is safe. A step is a database statement, a commit,
or a call to Stripe: between two of them nothing that lasts can happen.
"""

import gc
import importlib
import json
import os
import signal
import sys
from typing import Any

import django


class Steps:
    """Counts steps and, before the so-manieth, ends the process as `kill -9` does."""

    def __init__(self, die_at: int) -> None:
        self.die_at = die_at
        self.names: list[str] = []

    def step(self, name: str) -> None:
        self.names.append(name)
        if len(self.names) == self.die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(self) -> None:
        from django.db import connection
        from django.db.backends.postgresql.base import DatabaseWrapper

        from kopeck.stripe_api.client import Gateway

        commit, ask = DatabaseWrapper._commit, Gateway._ask

        def statement(execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
            self.step(" ".join(str(sql).split())[:60])
            return execute(sql, params, many, context)

        def commits(wrapper: Any) -> Any:
            self.step("COMMIT")
            return commit(wrapper)

        def asks(gateway: Any, call: Any) -> Any:
            self.step("Stripe")
            return ask(gateway, call)

        connection.execute_wrappers.append(statement)
        DatabaseWrapper._commit = commits
        Gateway._ask = asks


def handle(asked: dict[str, Any]) -> dict[str, Any]:
    """One request in this process, which may be its last."""
    from django.conf import settings
    from django.test import Client

    settings.STRIPE_API_BASE = settings.SANDBOX_URL = asked["stripe"]
    steps = Steps(asked["die_at"])
    steps.watch()
    client = Client(raise_request_exception=False, headers=asked["headers"])
    for name, value in asked["cookies"].items():
        client.cookies[name] = value
    answer = client.generic(asked["method"], asked["path"], asked["body"], content_type=asked["content_type"])
    # Once more after the last step: what it did has lasted, and the answer is not out yet.
    steps.step("answer")
    return {"steps": steps.names, "status": answer.status_code}


def serve(line: str) -> dict[str, Any]:
    out, into = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(out)
        with os.fdopen(into, "w") as pipe:
            json.dump(handle(json.loads(line)), pipe)
        os._exit(0)
    os.close(into)
    with os.fdopen(out) as pipe:
        told = pipe.read()
    _pid, status = os.waitpid(child, 0)
    return {"signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0, **json.loads(told or "{}")}


def main() -> None:
    import stripe
    from django.db import connection
    from django.test import Client

    django.setup()
    connection.settings_dict["NAME"] = sys.argv[1]
    # What every fork would load anew: addresses, views, middleware, and what the stripe library loads late.
    Client().get("/healthz")
    warm = stripe.StripeClient("sk_test_warm").v1
    _ = (warm.checkout.sessions, warm.payment_intents, warm.refunds, stripe.Event, stripe.checkout.Session)
    for late in ("stripe._object_classes", "babel.dates", "netrc"):
        importlib.import_module(late)
    gc.freeze()
    if connection.connection is not None:
        sys.exit("a connection must not be shared by forks")
    for line in sys.stdin:
        sys.stdout.write(json.dumps(serve(line)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
