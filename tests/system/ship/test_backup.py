"""deploy/backup and deploy/restore, the whole way: a paid order and its pictures come back elsewhere."""

import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from kopeck_local import postgres
from kopeck_local.postgres import _programs
from tests.support.starting import BASE_DIR, Started, clean_env


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    folder = tmp_path_factory.mktemp("shop")
    run = Started(folder).wait_until_ready()
    try:
        assert run.buy(1)["order"] == "paid"
        yield run
    finally:
        run.process.terminate()
        run.process.wait(240)


def url_of(shop: Started, database: str = "kopeck") -> str:
    url = postgres.attach_url(Path(shop.env["DATA_DIR"]))
    assert url
    return url.removesuffix("kopeck") + database


def deploy(name: str, *words: str, **more: str) -> "subprocess.CompletedProcess[str]":
    env = clean_env(**more)
    # The programs of the server that is dumped: an older pg_dump would refuse.
    env["PATH"] = f"{_programs(None)}{os.pathsep}{env['PATH']}"
    command = [str(BASE_DIR / "deploy" / name), *words]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=240, check=False)


@pytest.fixture(scope="module")
def archive(shop: Started, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("backup") / "kopeck.tar"
    made = deploy("backup", str(file), DATABASE_URL=url_of(shop), DATA_DIR=shop.env["DATA_DIR"])
    assert made.returncode == 0, made.stderr
    assert "24 pictures" in made.stdout
    assert file.stat().st_mode & 0o077 == 0, "it holds secrets"
    return file


def test_metrics_tell_how_old_the_newest_whole_backup_is(
    shop: Started, archive: Path, tmp_path: Path
) -> None:
    mark = Path(shop.env["DATA_DIR"]) / "last-backup"
    hour_ago = time.time() - 3600
    os.utime(mark, (hour_ago, hour_ago))
    failed = deploy(
        "backup",
        str(tmp_path / "x.tar"),
        DATABASE_URL="postgresql://127.0.0.1:1/x",
        DATA_DIR=str(mark.parent),
    )
    assert failed.returncode != 0
    age = re.search(r"^kopeck_backup_age_seconds (\S+)$", shop.get("/metrics")[1], re.MULTILINE)
    assert age
    assert 3600 <= float(age[1]) < 3900


def paid(url: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT o.id, o.total, o.currency, o.visitor, p.stripe_id, p.amount FROM orders_order o"
            " JOIN payments_payment p ON p.order_id = o.id WHERE o.status = 'paid' ORDER BY o.id"
        ).fetchall()


def test_a_paid_order_and_the_pictures_come_back_elsewhere(
    shop: Started, archive: Path, tmp_path: Path
) -> None:
    with psycopg.connect(url_of(shop), autocommit=True) as connection:
        connection.execute("CREATE DATABASE elsewhere")
    url = url_of(shop, "elsewhere")
    done = deploy("restore", str(archive), DATABASE_URL=url, DATA_DIR=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert paid(url) == paid(url_of(shop)) != []
    there = Path(shop.env["DATA_DIR"])
    pictures = sorted(path.relative_to(there) for path in there.glob("media/**/*.webp"))
    assert pictures
    for picture in pictures:
        assert (tmp_path / picture).read_bytes() == (there / picture).read_bytes()
    assert (tmp_path / "secret-key").read_text() == (there / "secret-key").read_text()


def test_a_database_with_tables_is_replaced_only_when_asked(
    shop: Started, archive: Path, tmp_path: Path
) -> None:
    with psycopg.connect(url_of(shop), autocommit=True) as connection:
        connection.execute("CREATE DATABASE taken")
    url = url_of(shop, "taken")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE treasure (id integer)")
    refused = deploy("restore", str(archive), DATABASE_URL=url, DATA_DIR=str(tmp_path))
    assert refused.returncode == 1
    assert "--replace" in refused.stderr
    with psycopg.connect(url) as connection:
        connection.execute("SELECT * FROM treasure")
    done = deploy("restore", str(archive), "--replace", DATABASE_URL=url, DATA_DIR=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert paid(url) == paid(url_of(shop))


def test_a_damaged_archive_changes_nothing(shop: Started, archive: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.tar"
    content = bytearray(archive.read_bytes())
    content[len(content) // 2] ^= 0xFF
    damaged.write_bytes(content)
    before = paid(url_of(shop))
    refused = deploy(
        "restore", str(damaged), "--replace", DATABASE_URL=url_of(shop), DATA_DIR=str(tmp_path / "data")
    )
    assert refused.returncode == 1
    assert "damaged" in refused.stderr
    assert paid(url_of(shop)) == before


def test_what_holds_no_orders_is_no_backup(shop: Started, tmp_path: Path) -> None:
    with psycopg.connect(url_of(shop), autocommit=True) as connection:
        connection.execute("CREATE DATABASE bare")
    file = tmp_path / "kopeck.tar"
    made = deploy("backup", str(file), DATABASE_URL=url_of(shop, "bare"), DATA_DIR=shop.env["DATA_DIR"])
    assert made.returncode == 1
    assert "no orders" in made.stderr
    assert not file.exists()
