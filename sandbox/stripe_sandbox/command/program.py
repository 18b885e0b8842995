"""What the command line says, read and done. Without a command it serves, as it always did."""

from __future__ import annotations

import argparse
import os
import sys

from stripe_sandbox.command import trigger
from stripe_sandbox.command.client import Client, SandboxError
from stripe_sandbox.command.serve import add_arguments, serve

URL = "http://127.0.0.1:8420"
SERVE, TRIGGER, EVENTS = "serve", "trigger", "events"
EXAMPLES = {
    SERVE: """examples:
  stripe-sandbox serve --memory --webhook http://127.0.0.1:8000/hook=whsec_mine
  stripe-sandbox serve --seed shop.json --port 8420
  stripe-sandbox serve --api-version 2022-11-15

a seed file has Stripe's parameters, and ids of your own:
  {"key": "sk_test_mine",
   "products": [{"id": "prod_tea", "name": "Tea"}],
   "prices": [{"id": "price_tea", "product": "prod_tea", "currency": "usd", "unit_amount": 900}]}
""",
    TRIGGER: """examples:
  stripe-sandbox trigger checkout.session.completed
  stripe-sandbox trigger checkout.session.completed --set client_reference_id=42 --set metadata[order]=7
  stripe-sandbox trigger charge.dispute.created --key sk_test_mine --url http://127.0.0.1:8420
  stripe-sandbox trigger --list
""",
    EVENTS: """examples:
  stripe-sandbox events resend evt_1234
""",
}


def run(arguments: list[str]) -> int:
    """Do what the command line says; the exit code."""
    if arguments[:1] not in ([SERVE], [TRIGGER], [EVENTS], ["-h"], ["--help"]):
        arguments = [SERVE, *arguments]
    options = _parser().parse_args(arguments)
    if options.command == SERVE:
        return serve(options)
    try:
        return _trigger(options) if options.command == TRIGGER else _resend(options)
    except SandboxError as error:
        print(error, file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "stripe-sandbox",
        description="A local Stripe: no account, no keys, no internet.",
        epilog="".join(EXAMPLES.values()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    add_arguments(_command(commands, SERVE, "run the sandbox (what happens without a command)"))
    triggered = _command(
        commands, TRIGGER, "make an event, with the real chain of objects and events before it"
    )
    triggered.add_argument("event", nargs="?", help="such as checkout.session.completed")
    triggered.add_argument("--list", action="store_true", help="name every event that can be triggered")
    triggered.add_argument(
        "--set",
        action="append",
        default=[],
        type=_setting,
        metavar="NAME=VALUE",
        help="a parameter of the chain's first object; repeatable",
    )
    _where(triggered)
    events = _command(commands, EVENTS, "send an event again")
    events.add_argument("verb", choices=["resend"])
    events.add_argument("id", help="evt_...")
    _where(events)
    return parser


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, help: str
) -> argparse.ArgumentParser:
    return commands.add_parser(
        name,
        help=help,
        description=f"{help[0].upper()}{help[1:]}.",
        epilog=EXAMPLES[name],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _where(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--url",
        default=os.environ.get("STRIPE_API_BASE") or URL,
        help=f"where the sandbox listens (default: STRIPE_API_BASE, else {URL})",
    )
    parser.add_argument(
        "--key",
        default=os.environ.get("STRIPE_SECRET_KEY"),
        metavar="sk_test_...",
        help="the account (default: STRIPE_SECRET_KEY, else the only one that there is)",
    )


def _setting(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not name or not sign:
        raise argparse.ArgumentTypeError(f"--set takes NAME=VALUE, not {text!r}.")
    return name, value


def _client(options: argparse.Namespace) -> Client:
    if options.key:
        return Client(options.url, options.key)
    known = Client(options.url, "").control("GET", "accounts")["data"]
    if len(known) != 1:
        there = f"There are {', '.join(known)}." if known else "Nobody has asked for anything yet."
        raise SandboxError(f"Which account? Say --key sk_test_... {there}")
    return Client(options.url, f"sk_test_{known[0]}")


def _trigger(options: argparse.Namespace) -> int:
    if options.list:
        print("\n".join(trigger.EVENTS))
        return 0
    if options.event not in trigger.EVENTS:
        said = f"{options.event} cannot be triggered." if options.event else "Which event?"
        raise SandboxError(f"{said} These can: {', '.join(trigger.EVENTS)}.")
    made = trigger.trigger(_client(options), options.event, dict(options.set))
    for event in made:
        print(f"{event['id']}  {event['type']}  {event['data']['object'].get('id', '')}")
    if options.event not in {event["type"] for event in made}:
        raise SandboxError(f"The chain ended without {options.event}.")
    return 0


def _resend(options: argparse.Namespace) -> int:
    sent = Client(options.url, options.key or "").control("POST", "webhooks/deliver", event=options.id)[
        "data"
    ]
    if not sent:
        raise SandboxError(f"No endpoint wants {options.id}.")
    for delivery in sent:
        attempt = delivery["attempts"][-1]
        print(f"{delivery['url']}  {attempt['status'] or attempt['error']}")
    return 0 if all(delivery["status"] == "succeeded" for delivery in sent) else 1
