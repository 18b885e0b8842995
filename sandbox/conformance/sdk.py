"""The steps of `steps.json` through one release of PyPI's `stripe`, which lies in a folder of its own.

    PYTHONPATH=FOLDER python sdk.py URL KEY [VERSION]

VERSION is that of the API; without one the library's own is spoken. It prints a JSON object a step.
"""

import json
import sys
from pathlib import Path
from typing import Any

import stripe

STEPS = json.loads(Path(__file__).with_name("steps.json").read_text(encoding="utf-8"))
ABSENT = "absent"


def walk(value: Any, path: str) -> Any:
    """`data.0.id` of an answer; KeyError or the like where there is none."""
    for name in path.split("."):
        value = value[int(name)] if name.isdigit() else value[name]
    return value


def filled(value: Any, saved: dict[str, Any]) -> Any:
    """`$customer.id` replaced by what an earlier step has given."""
    if isinstance(value, dict):
        return {name: filled(item, saved) for name, item in value.items()}
    if isinstance(value, list):
        return [filled(item, saved) for item in value]
    if isinstance(value, str) and value.startswith("$"):
        name, _, path = value[1:].partition(".")
        return walk(saved[name], path)
    return value


def method(name: str) -> Any:
    found: Any = stripe
    for part in name.split("."):
        found = getattr(found, part)
    return found


def tried(step: dict[str, Any], saved: dict[str, Any]) -> str:
    """ "" where the step went as it should, else what was wrong."""
    try:
        call = method(step["python"])
    except AttributeError:
        return ABSENT
    wanted = step.get("error")
    try:
        answer = call(*filled(step.get("ids", []), saved), **filled(step.get("params", {}), saved))
    except Exception as error:  # whatever a release makes of an answer is a finding
        status, body = getattr(error, "http_status", None), getattr(error, "json_body", None) or {}
        if wanted and (status, body.get("error", {}).get("code")) == (wanted["status"], wanted["code"]):
            return ""
        return f"{type(error).__name__}: {error}"
    if wanted:
        return f"succeeded, though {wanted['code']} was to come"
    if "save" in step:
        saved[step["save"]] = answer
    for path, value in step.get("expect", {}).items():
        try:
            found = walk(answer, path)
        except (KeyError, IndexError, TypeError) as error:
            return f"{path} is missing ({error!r})"
        if found != filled(value, saved):
            return f"{path} is {found!r}"
    return ""


def main(url: str, key: str, version: str = "") -> None:
    stripe.api_key, stripe.api_base, stripe.max_network_retries = key, url, 0
    stripe.enable_telemetry = False
    if version:
        stripe.api_version = version
    saved: dict[str, Any] = {}
    for step in STEPS:
        print(json.dumps({"endpoint": step["endpoint"], "wrong": tried(step, saved)}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
