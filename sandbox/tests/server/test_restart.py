"""A sandbox with a data file forgets nothing when it is started again, or killed."""

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests
import stripe

from sandbox_testing.orders import event_types, open_session, order
from sandbox_testing.own import control
from sandbox_testing.program import ROOT, address_of, start
from sandbox_testing.server import start_checked_sandbox


def client_of(url: str) -> stripe.StripeClient:
    return stripe.StripeClient("sk_test_restart", base_addresses={"api": url})


def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    file = str(tmp_path / "box.sqlite3")
    first = start_checked_sandbox(path=file)
    client = client_of(first.url)
    key: Any = {"idempotency_key": "before"}
    paid: Any = client.v1.checkout.sessions.create(order(), key)  # type: ignore[arg-type]
    control(first.url, "POST", f"sessions/{paid.id}/pay", {"card": "4242424242424242"})
    left_open = open_session(client)
    first.box.clock.advance(1000)
    told, clock = event_types(client), first.box.clock.now()
    first.stop()

    second = start_checked_sandbox(path=file)
    client = client_of(second.url)
    assert client.v1.checkout.sessions.retrieve(paid.id).payment_status == "paid"
    assert client.v1.checkout.sessions.retrieve(left_open.id).status == "open"
    assert event_types(client) == told
    assert second.box.clock.now() >= clock
    assert client.v1.checkout.sessions.create(order(), key).id == paid.id  # type: ignore[arg-type]
    assert first.violations == second.violations == []
    second.stop()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_the_program_stops_cleanly_when_asked(how: signal.Signals) -> None:
    with start("--memory", "--port", "0") as process:
        url = address_of(process)
        assert requests.get(f"{url}/v1/events", auth=("sk_test_a", ""), timeout=120).status_code == 200
        process.send_signal(how)
        _, complaints = process.communicate(timeout=120)
    assert (process.returncode, complaints) == (0, "")


def test_what_was_answered_survives_a_kill(tmp_path: Path) -> None:
    file = str(tmp_path / "box.sqlite3")
    with start("--data", file, "--port", "0") as process:
        session = open_session(client_of(address_of(process)))
        os.kill(process.pid, signal.SIGKILL)
        process.communicate(timeout=120)
    with start("--data", file, "--port", "0") as process:
        client = client_of(address_of(process))
        assert client.v1.checkout.sessions.retrieve(session.id).status == "open"
        process.terminate()
        process.communicate(timeout=120)


def test_a_taken_port_is_said_in_a_sentence() -> None:
    with start("--memory", "--port", "0") as first:
        port = address_of(first).rpartition(":")[2]
        with start("--memory", "--port", port) as second:
            said, complaints = second.communicate(timeout=120)
        first.terminate()
        first.communicate(timeout=120)
    assert (second.returncode, said) == (1, "")
    assert complaints.startswith(f"Cannot listen on 127.0.0.1:{port}:")
    assert len(complaints.splitlines()) == 1


def test_a_data_file_that_cannot_be_is_said_in_a_sentence(tmp_path: Path) -> None:
    with start("--data", str(tmp_path / "nowhere" / "box"), "--port", "0") as process:
        _, complaints = process.communicate(timeout=120)
    assert process.returncode == 1
    assert complaints.startswith(f"Cannot use {tmp_path}")
    assert len(complaints.splitlines()) == 1


def test_a_malformed_webhook_is_said_before_anything_starts() -> None:
    with start("--memory", "--port", "0", "--webhook", "http://127.0.0.1:9/hook") as process:
        _, complaints = process.communicate(timeout=120)
    assert process.returncode == 2
    assert "whsec_" in complaints


def test_a_public_address_is_where_buyers_are_sent() -> None:
    running = start_checked_sandbox(public_url="https://pay.shop.example/")
    session = open_session(client_of(running.url))
    assert session.url == f"https://pay.shop.example/c/pay/{session.id}"
    running.stop()


def test_connections_are_kept_alive() -> None:
    running = start_checked_sandbox()
    with requests.Session() as session:
        session.auth = ("sk_test_a", "")
        answers = [session.get(f"{running.url}/v1/events", timeout=120) for _ in range(5)]
        assert all(answer.headers.get("Connection") != "close" for answer in answers)
    running.stop()


def test_a_stopped_sandbox_hangs_up_on_those_who_keep_their_connection() -> None:
    running = start_checked_sandbox()
    with requests.Session() as session:
        session.auth = ("sk_test_a", "")
        assert session.get(f"{running.url}/v1/events", timeout=120).status_code == 200
        running.stop()
        with pytest.raises(requests.ConnectionError):
            session.get(f"{running.url}/v1/events", timeout=120)


def test_what_is_remembered_is_its_owners_alone_whatever_the_umask_and_what_was_there(tmp_path: Path) -> None:
    new, old = tmp_path / "new.sqlite3", tmp_path / "old.sqlite3"
    start_checked_sandbox(path=str(old)).stop()
    old.chmod(0o664)
    for file in (new, old):
        command = [sys.executable, "-m", "stripe_sandbox", "--port", "0", "--data", str(file)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, umask=0) as process:
            url = address_of(process)
            client_of(url).v1.customers.create({"email": "buyer@example.com"})
            modes = {path.name: oct(path.stat().st_mode & 0o777) for path in tmp_path.glob(f"{file.name}*")}
            process.terminate()
        assert set(modes) == {file.name, f"{file.name}-wal", f"{file.name}-shm"}
        assert set(modes.values()) == {"0o600"}, modes


def test_a_file_of_another_version_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "first.sqlite3"
    with sqlite3.connect(file) as db:
        db.execute("CREATE TABLE objects (seq INTEGER PRIMARY KEY, body TEXT)")
        db.execute("INSERT INTO objects (body) VALUES ('{}')")
    db.close()
    program = start("--port", "0", "--data", str(file))
    _, told = program.communicate(timeout=120)
    assert program.returncode == 1
    assert told == f"Cannot use {file}: another version of the sandbox has made it; name another file.\n"
    with sqlite3.connect(file) as db:
        assert db.execute("SELECT body FROM objects").fetchall() == [("{}",)]
    db.close()
