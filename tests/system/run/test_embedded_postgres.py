"""The embedded PostgreSQL: one owner, found by others, safe against a kill, and a sentence when it fails."""

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import psutil
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from kopeck_local import postgres
from tests.support.starting import BASE_DIR

OWNER = """
import os, sys, time
from pathlib import Path
from kopeck_local import postgres
server = postgres.start(Path(sys.argv[1]), fast=True)
print(server.process.pid, flush=True)
time.sleep(60)
"""


def test_it_serves_the_database_that_its_url_names(folder: Path) -> None:
    server = postgres.start(folder / "data", fast=True)
    try:
        parsed = conninfo_to_dict(server.url)
        assert (parsed["dbname"], parsed["port"]) == ("kopeck", "5432")
        assert (Path(str(parsed["host"])) / ".s.PGSQL.5432").is_socket()
        with psycopg.connect(server.url) as connection:
            row = connection.execute(
                "SELECT current_database(), current_setting('max_connections')"
            ).fetchone()
            assert row == ("kopeck", "200")
            assert connection.execute("SELECT 'ЁЛКА' ILIKE 'ёлка'").fetchone() == (True,)
    finally:
        server.stop()
    assert postgres.attach_url(folder / "data") is None


def test_another_process_finds_it_and_may_not_start_a_second(folder: Path) -> None:
    assert postgres.attach_url(folder / "data") is None
    server = postgres.start(folder / "data", fast=True)
    try:
        assert postgres.attach_url(folder / "data") == server.url
        with pytest.raises(postgres.PostgresFailed, match="Another process runs PostgreSQL"):
            postgres.start(folder / "data", fast=True)
    finally:
        server.stop()
    server.stop()  # twice is as good as once


def test_only_its_account_may_enter_its_data(folder: Path) -> None:
    server = postgres.start(folder / "closed", fast=True)
    server.stop()
    assert stat.S_IMODE(postgres.cluster_dir(folder / "closed").stat().st_mode) == 0o700


def test_a_path_too_long_for_a_socket_is_served_all_the_same(folder: Path) -> None:
    server = postgres.start(folder / ("long" * 30), fast=True)
    try:
        with psycopg.connect(server.url) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    finally:
        server.stop()
    assert not Path(str(conninfo_to_dict(server.url)["host"])).exists()


def test_it_ends_with_a_killed_owner_and_keeps_what_was_committed(folder: Path) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(folder / "data")], cwd=BASE_DIR, stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout
    with owner.stdout as told:
        pid = int(told.readline())
    url = postgres.attach_url(folder / "data")
    assert url
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept (word text)")
        connection.execute("INSERT INTO kept VALUES ('safe')")
    owner.kill()
    owner.wait()
    if sys.platform == "linux":
        _wait_until_gone(pid)
    server = postgres.start(folder / "data", fast=True)
    try:
        with psycopg.connect(server.url) as connection:
            assert connection.execute("SELECT word FROM kept").fetchall() == [("safe",)]
    finally:
        server.stop()


def test_a_killed_server_recovers_at_the_next_start(folder: Path) -> None:
    server = postgres.start(folder / "data")  # not fast: that may lose the last moment
    with psycopg.connect(server.url) as connection:
        connection.execute("CREATE TABLE recovered ()")
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait()
    server.stop()
    assert postgres.attach_url(folder / "data") is None
    server = postgres.start(folder / "data", fast=True)
    try:
        with psycopg.connect(server.url) as connection:
            assert connection.execute("SELECT count(*) FROM recovered").fetchone() == (0,)
    finally:
        server.stop()


def test_a_server_left_over_is_stopped_by_the_next_owner(folder: Path) -> None:
    server = postgres.start(folder / "data", fast=True)
    server._lock.close()  # as if its owner had died where nothing ends a child with its parent
    again = postgres.start(folder / "data", fast=True)
    try:
        assert server.process.wait(5) == 0
        with psycopg.connect(again.url) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    finally:
        again.stop()


@pytest.mark.parametrize(
    ("file", "spoilt", "words"),
    [
        ("PG_VERSION", "16\n", "made by PostgreSQL 16, and this is 18"),
        ("postgresql.conf", "nonsense = 'yes'\n", r"Set DATABASE_URL(.|\n)*nonsense"),
    ],
)
def test_a_failed_start_says_what_to_do_and_why(folder: Path, file: str, spoilt: str, words: str) -> None:
    postgres.start(folder / "data", fast=True).stop()
    path = postgres.cluster_dir(folder / "data") / file
    whole = path.read_text()
    path.write_text(spoilt)
    with pytest.raises(postgres.PostgresFailed, match=words):
        postgres.start(folder / "data", fast=True)
    path.write_text(whole)
    postgres.start(folder / "data", fast=True).stop()  # and the lock was released


def _wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + 10
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the server lives on after its owner"
        time.sleep(0.02)
