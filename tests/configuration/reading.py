"""Reads the settings in a fork for each environment: hundreds of starts for the price of one.

`python -m tests.configuration.reading` takes a JSON line for each start, `{"by", "env", "show"}`, and answers
each with one: how it ended, what it wrote, and the settings to show. `by` is who reads them.
"""

import gc
import importlib
import json
import os
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.support.starting import BASE_DIR, clean_env

#: What the settings import and a fork need not import anew.
LOADED = """
    django_stubs_ext django.conf django.core.cache django.core.mail.backends.smtp
    django.core.mail.backends.filebased
    django.contrib.staticfiles.storage
    kopeck.configuration.values kopeck.configuration.hosts kopeck.telemetry.tracing kopeck.abuse.rates
    kopeck.ops.serve kopeck_local.place kopeck.ops.containers kopeck.stripe_api.accounts
    sentry_sdk.integrations.django stripe_sandbox.command.serve kopeck.mail.files kopeck.front.bodies
""".split()


def shop(show: list[str]) -> dict[str, Any]:
    found = vars(importlib.import_module("kopeck.settings"))
    known = {"DATABASE_POOL": found["DATABASES"]["default"]["OPTIONS"]["pool"]["max_size"], **found}
    return {name: known[name] for name in show}


def make_run(show: list[str]) -> dict[str, Any]:
    place = importlib.import_module("kopeck_local.place")
    starting = importlib.import_module("kopeck.ops.starting")
    try:
        found = place.read_place()
        starting.require_free(found.host, "PORT", found.port)
    except starting.Refused as refusal:
        sys.exit(f"kopeck: {refusal}")
    known = {
        "HOST": found.host,
        "PORT": found.port,
        "SANDBOX_PORT": found.sandbox_port,
        "DATA_DIR": found.data,
        "ONE_PORT": found.one_port,
    }
    return {name: known[name] for name in show}


def web_server(show: list[str]) -> dict[str, Any]:
    serve = importlib.import_module("kopeck.ops.serve")
    found = serve.read_server()
    serve.empty_metrics()
    known = {
        "HOST": found.host,
        "PORT": found.port,
        "WEB_WORKERS": found.workers,
        "WEB_THREADS": found.threads,
        "DRAIN_SECONDS": found.drain_seconds,
    }
    return {name: known[name] for name in show}


def containers(show: list[str]) -> dict[str, Any]:
    found = importlib.import_module("kopeck.ops.containers")
    try:
        found.main()
    except found.Refused as refusal:
        sys.exit(f"kopeck: {refusal}")
    return {name: os.environ[name].strip() for name in show}  # Compose reads them


def sandbox(show: list[str]) -> dict[str, Any]:
    found = importlib.import_module("stripe_sandbox.command.serve").names_of_environment()
    return dict.fromkeys(show, found)


def demo(show: list[str]) -> dict[str, Any]:
    return dict.fromkeys(show, importlib.import_module("kopeck_local.demo").reset_hour())


BY: dict[str, Callable[[list[str]], dict[str, Any]]] = {
    "shop": shop,
    "make run": make_run,
    "web server": web_server,
    "containers": containers,
    "sandbox": sandbox,
    "demo": demo,
}


def read(asked: dict[str, Any]) -> dict[str, Any]:
    """In a fork. As Python itself ends: a sentence and 1, or a traceback."""
    os.environ.clear()
    os.environ.update(asked["env"])
    try:
        return {"code": 0, "said": "", "settings": BY[asked["by"]](asked["show"])}
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
        return {"code": code, "said": "" if isinstance(end.code, int) else str(end.code)}
    except Exception:
        return {"code": 1, "said": traceback.format_exc()}


def forked(line: str) -> str:
    out, into = os.pipe()
    if os.fork() == 0:
        os.close(out)
        with os.fdopen(into, "w", errors="backslashreplace") as pipe:
            json.dump(read(json.loads(line)), pipe, default=str)
        os._exit(0)
    os.close(into)
    with os.fdopen(out) as pipe:
        told = pipe.read()
    os.wait()
    return told


class Reader:
    """The process, asked as often as you like."""

    def __init__(self, folder: Path) -> None:
        self.usual = {"STRIPE_SANDBOX": "1", "SECRET_KEY": "s"}
        self.usual |= dict.fromkeys(("DATA_DIR", "SECRETS_DIR"), str(folder))
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "tests.configuration.reading"],
            cwd=BASE_DIR,
            env=clean_env(PYTHONPATH=str(BASE_DIR / "sandbox"), **self.usual),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def read(self, by: str, show: list[str], **env: str) -> dict[str, Any]:
        assert self.process.stdin
        assert self.process.stdout
        asked = {"by": by, "show": show, "env": clean_env(**{**self.usual, **env})}
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.process.communicate(timeout=30)


def main() -> None:
    for name in LOADED:
        importlib.import_module(name)
    read({"by": "shop", "env": dict(os.environ), "show": []})  # else each fork compiles all patterns anew
    del sys.modules["kopeck.settings"]
    gc.freeze()  # or each fork would copy what it collects
    for line in sys.stdin:
        sys.stdout.write(forked(line) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
