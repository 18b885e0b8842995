"""`stripe-sandbox serve`: the local Stripe as a program."""

from __future__ import annotations

import argparse
import os
import signal
import sqlite3
import sys
import threading
from pathlib import Path

from stripe_sandbox.app import SandboxServer
from stripe_sandbox.box import Box
from stripe_sandbox.command.seed import BadSeed, plant
from stripe_sandbox.server.forms import is_version
from stripe_sandbox.server.hosts import SETTING, read_names
from stripe_sandbox.webhooks.endpoints import parse_endpoint


def webhook(text: str) -> str:
    try:
        parse_endpoint(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


def api_version(text: str) -> str:
    if not is_version(text):
        raise argparse.ArgumentTypeError(f"A version is one of Stripe's, such as 2022-11-15, not {text!r}.")
    return text


def allowed_hosts(text: str) -> tuple[str, ...]:
    try:
        return read_names(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `serve` takes."""
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8420)
    parser.add_argument(
        "--public-url", help="base of the Checkout pages' addresses (default: the request's own host)"
    )
    parser.add_argument(
        "--webhook",
        action="append",
        default=[],
        type=webhook,
        metavar="[TAIL@]URL=whsec_...",
        help="deliver events there; with TAIL those of the account of sk_test_TAIL only; repeatable",
    )
    parser.add_argument(
        "--allowed-host",
        action="append",
        default=[],
        type=allowed_hosts,
        metavar="NAME",
        help="answer at this name too, besides localhost, --host and --public-url; repeatable, and "
        f"{SETTING}=NAME,... in the environment is the same",
    )
    parser.add_argument(
        "--api-version",
        type=api_version,
        metavar="DATE",
        help="version of the API for requests that name none, and of events (default: an account's first "
        "request sets its own, as at Stripe)",
    )
    _add_store_arguments(parser)


def _add_store_arguments(parser: argparse.ArgumentParser) -> None:
    """Where things are kept, and what is there from the start."""
    kept = parser.add_mutually_exclusive_group()
    kept.add_argument(
        "--data", default="stripe_sandbox.sqlite3", metavar="FILE", help="where to remember everything"
    )
    kept.add_argument("--memory", action="store_true", help="forget everything at the end")
    parser.add_argument(
        "--seed",
        type=Path,
        metavar="FILE",
        help="make what a JSON file has and the store has not: products, coupons, customers, endpoints, ...",
    )


def names_of_environment() -> list[str]:
    """The names to answer at that the environment allows; it ends the program where they cannot be read."""
    try:
        return list(read_names(os.environ.get(SETTING, "")))
    except ValueError as error:
        sys.exit(str(error))


def serve(options: argparse.Namespace) -> int:
    """Serve until a signal comes; the exit code."""
    allowed = [name for given in options.allowed_host for name in given] + names_of_environment()
    data = ":memory:" if options.memory else options.data
    try:
        box = Box(
            data, public_url=options.public_url, webhooks=options.webhook, api_version=options.api_version
        )
    except sqlite3.Error as error:
        print(f"Cannot use {data}: {error}.", file=sys.stderr)
        return 1
    try:
        if options.seed:
            print(f"{plant(box, options.seed)} objects made of {options.seed}", flush=True)
        server = SandboxServer(box, options.host, options.port, allowed=allowed)
    except BadSeed as error:
        print(error, file=sys.stderr)
        box.close()
        return 1
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        print(f"Cannot listen on {options.host}:{options.port}: {reason}.", file=sys.stderr)
        box.close()
        return 1
    stop = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: stop.set())
    server.start()
    print(f"The local Stripe listens on {server.url}", flush=True)
    stop.wait()
    server.stop()
    box.close()
    return 0
