"""`make run` from nothing, then again, then after a kill: what it starts, keeps, says and stops."""

import json
import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from kopeck.stripe_api.accounts import SANDBOX_PUBLISHABLE_KEY
from kopeck_local import postgres
from tests.support.starting import Started, listens

SECRETS = ("admin-password", "secret-key", "webhook-secret", "webhook-secret-eur")
#: In DATA_DIR: what anybody may see, and PostgreSQL's own folder, which it closes itself.
FOR_ALL = {"media", "postgres", "address", "postgres.lock"}


def open_to_others(data: Path) -> list[str]:
    """What others on this machine may read, of what they should not."""
    found = []
    for top in data.iterdir():
        for path in () if top.name in FOR_ALL else (top, *top.rglob("*")):
            with suppress(FileNotFoundError):  # SQLite's and our half-written files come and go
                if path.stat().st_mode & 0o077:
                    found.append(str(path.relative_to(data)))
    return sorted(found)


def writable_by_others(data: Path) -> list[str]:
    """What others on this machine could change or replace; what lies in a closed folder they do not reach."""
    found = []
    for folder, names, files in os.walk(data):
        closed = [name for name in names if not (Path(folder) / name).stat().st_mode & 0o011]
        for name in (".", *names, *files):
            with suppress(FileNotFoundError):  # SQLite's and our half-written files come and go
                if (Path(folder) / name).stat().st_mode & 0o022:
                    found.append(str((Path(folder) / name).relative_to(data)))
        names[:] = [name for name in names if name not in closed]
    return sorted(found)


def wait_for_mails(data: Path, number: int) -> None:
    deadline = time.monotonic() + 240
    while len(list((data / "mail").glob("*.log"))) < number and time.monotonic() < deadline:
        time.sleep(0.1)


def look_at(run: Started, data: Path) -> dict[str, Any]:
    """What a run shows while it runs."""
    url = postgres.attach_url(data)
    assert url
    with psycopg.connect(url) as connection:
        items = connection.execute("SELECT id, name FROM catalog_item ORDER BY id").fetchall()
        cheapest = "SELECT DISTINCT ON (currency) currency, id FROM catalog_item ORDER BY currency, price"
        goods = dict(connection.execute(cheapest).fetchall())
    return {
        "run": run,
        "shop": run.get("/"),
        "ready": run.get("/readyz"),
        "sandbox_listens": listens(run.sandbox_port),
        "items": items,
        "bought": {currency: run.buy(goods[currency]) for currency in ("usd", "eur")},
        "secrets": {name: (data / name).read_text() for name in SECRETS},
        "doctor": run.manage("doctor", "--json"),
        "checked": run.manage("mirror", "--check"),
        "password": re.search(r"user admin, password (\S+)", run.output)[1],  # type: ignore[index]
    }


@pytest.fixture(scope="module")
def first(folder: Path) -> Iterator[dict[str, Any]]:
    """From nothing, ended by Ctrl-C."""
    run = Started(folder / "data")
    try:
        seen = look_at(run.wait_until_ready(), folder / "data")
        wait_for_mails(folder / "data", 2)
        seen["open"], seen["closed"] = open_to_others(folder / "data"), set(os.listdir(folder / "data"))
        seen["writable"] = writable_by_others(folder / "data")
        seen["code"] = run.end(signal.SIGINT)
        seen["survivors"] = run.survivors()
        yield seen
    finally:
        run.process.kill()


@pytest.fixture(scope="module")
def second(folder: Path, first: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """On the same data, ended by kill -9."""
    data = folder / "data"
    for path in data.iterdir():  # as an earlier version left them
        for one in () if path.name in FOR_ALL else (path, *path.rglob("*")):
            one.chmod(0o755 if one.is_dir() else 0o644)
    before = open_to_others(data)
    began = time.monotonic()
    run = Started(data)
    try:
        run.wait_until_ready()
        took = time.monotonic() - began
        seen = {**look_at(run, data), "took": took, "before": before}
        wait_for_mails(data, 4)
        seen["open"] = open_to_others(data)
        seen["code"] = run.end(signal.SIGKILL)
        seen["survivors"] = run.survivors(seconds=15)
        yield seen
    finally:
        run.process.kill()


@pytest.fixture(scope="module")
def third(folder: Path, second: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """After the kill, ended by SIGTERM."""
    run = Started(folder / "data")
    try:
        seen = look_at(run.wait_until_ready(), folder / "data")
        seen["code"] = run.end(signal.SIGTERM)
        seen["survivors"] = run.survivors()
        yield seen
    finally:
        run.process.kill()


def test_the_first_start_serves_a_shop_with_goods(first: dict[str, Any]) -> None:
    status, page = first["shop"]
    assert status == 200
    assert len(first["items"]) >= 8
    assert all(name in page for _, name in first["items"][:3])
    assert first["ready"][0] == 200
    assert first["sandbox_listens"]


def test_the_summary_names_shop_admin_sandbox_and_how_to_stop(first: dict[str, Any]) -> None:
    run = first["run"]
    for words in (
        f"http://127.0.0.1:{run.port}/",
        "/admin/",
        f"http://127.0.0.1:{run.sandbox_port}/",
        "Ctrl-C",
    ):
        assert words in run.output
    assert "\033" not in run.output  # it is not a terminal


def test_the_printed_password_is_the_one_that_is_kept(first: dict[str, Any]) -> None:
    assert first["password"] == first["secrets"]["admin-password"].strip()
    assert len(first["password"]) >= 12


def test_what_is_secret_or_of_buyers_is_readable_by_its_owner_alone(first: dict[str, Any]) -> None:
    assert first["open"] == []
    assert first["closed"] >= {*SECRETS, "mail", "logs", "sandbox.sqlite3", "sandbox.sqlite3-wal"}


def test_nobody_else_can_change_or_replace_anything_of_the_shop(first: dict[str, Any]) -> None:
    """Its umask of 0 would let every account of the machine put other pictures and keys in their place."""
    assert first["writable"] == []


def test_euros_and_dollars_are_paid_into_two_accounts_and_each_webhook_says_so(
    first: dict[str, Any],
) -> None:
    keys = {currency: answer["publishable_key"] for currency, answer in first["bought"].items()}
    assert keys == {"usd": SANDBOX_PUBLISHABLE_KEY, "eur": f"{SANDBOX_PUBLISHABLE_KEY}eur"}
    assert {answer["order"] for answer in first["bought"].values()} == {"paid"}


def test_the_doctor_finds_a_started_shop_well(first: dict[str, Any]) -> None:
    """pains 10, 11, 24 and 25: both accounts, their endpoints, secrets and versions, as Stripe sees them."""
    found = json.loads(first["doctor"].stdout)
    assert found["ok"], first["doctor"].stdout
    assert first["doctor"].returncode == 0
    assert [check for check in found["checks"] if check["level"] != "ok"] == []
    said = {(check["area"], check["name"]): check["said"] for check in found["checks"]}
    for account in ("default", "eur"):
        area = f"stripe {account}"
        assert said[area, "webhook endpoint"] == (
            f"http://127.0.0.1:{first['run'].port}/webhooks/stripe/{account}"
        )
        assert said[area, "webhook address"] == "leads to this shop, with this secret"
    assert said["worker", "heartbeat"] == "1 alive"


def test_commands_for_people_say_nothing_of_each_question_to_stripe(first: dict[str, Any]) -> None:
    assert first["checked"].returncode == 0, first["checked"].stdout
    assert first["checked"].stdout
    assert [first[name].stderr for name in ("doctor", "checked")] == ["", ""]


def test_ctrl_c_stops_every_process_and_frees_the_ports(first: dict[str, Any]) -> None:
    assert first["code"] == 0, first["run"].output
    assert first["survivors"] == []
    assert len(first["run"].family) >= 5  # itself, sandbox, web, worker, PostgreSQL
    assert not listens(first["run"].port)
    assert not listens(first["run"].sandbox_port)
    assert "Stopped everything" in first["run"].output


def test_a_second_start_is_quick(second: dict[str, Any]) -> None:
    # 2 to 3 s on a machine of its own; here other tests and their browsers run beside it.
    assert second["took"] < 120, second["run"].output


def test_a_start_closes_what_an_earlier_one_left_open(second: dict[str, Any]) -> None:
    assert {*SECRETS, "mail", "logs", "logs/web.log", "sandbox.sqlite3"} <= set(second["before"])
    assert second["open"] == []


def test_a_second_start_keeps_goods_password_and_keys(first: dict[str, Any], second: dict[str, Any]) -> None:
    assert second["items"] == first["items"]
    assert second["secrets"] == first["secrets"]
    assert second["password"] == first["password"]


def test_a_killed_run_takes_its_programs_with_it(second: dict[str, Any]) -> None:
    assert second["code"] == -signal.SIGKILL
    assert second["survivors"] == []


def test_a_start_after_a_kill_finds_everything(second: dict[str, Any], third: dict[str, Any]) -> None:
    assert third["items"] == second["items"]
    assert third["shop"][0] == third["ready"][0] == 200


def test_a_polite_request_to_stop_is_heard_like_ctrl_c(third: dict[str, Any]) -> None:
    assert third["code"] == 0, third["run"].output
    assert third["survivors"] == []
