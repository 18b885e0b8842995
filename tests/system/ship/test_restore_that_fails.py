"""A restore that fails leaves a shop that runs, and says which data it has.

The engine is a script that notes what it is asked, and fails at the step that the test names.
"""

import hashlib
import io
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.support.starting import BASE_DIR

ENGINE = """#!/bin/sh
echo "$@" >>"$NOTES"
case "$*." in *"$BROKEN"*) echo 'broken on purpose' >&2; exit 1 ;; esac
case "$*" in
*"FROM pg_tables"*) echo 40 ;;
*"FROM orders_order"*) echo 7 ;;
*psql*) cat >/dev/null ;;
esac
"""
START = "up -d --wait --no-build web web2 worker"
STOP = "stop web web2 worker"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    (tmp_path / "deploy").mkdir()
    shutil.copy(BASE_DIR / "deploy" / "restore", tmp_path / "deploy")
    (tmp_path / "engine").write_text(ENGINE)
    (tmp_path / "engine").chmod(0o755)
    parts = {"database.dump": b"dump", "files.tar": b"files"}
    sums = "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in parts.items())
    with tarfile.open(tmp_path / "good.tar", "w") as archive:
        for name, content in {**parts, "SHA256SUMS": sums.encode()}.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return tmp_path


def restore(clone: Path, broken: str, **more: str) -> "tuple[subprocess.CompletedProcess[str], list[str]]":
    """Where the engine fails at what has `broken` in it, and everything that it was asked."""
    engine, notes = str(clone / "engine"), clone / "notes"
    env = {"PATH": os.environ["PATH"], "COMPOSE": engine, "DOCKER": engine, "NOTES": str(notes), **more}
    command = [str(clone / "deploy" / "restore"), str(clone / "good.tar"), "--replace"]
    done = subprocess.run(
        command, env={**env, "BROKEN": broken}, capture_output=True, text=True, timeout=240, check=False
    )
    return done, notes.read_text().splitlines() if notes.exists() else []


def test_a_dump_that_cannot_be_read_does_not_even_stop_the_shop(clone: Path) -> None:
    done, asked = restore(clone, "pg_restore")
    assert done.returncode == 1
    assert STOP not in asked
    assert not [line for line in asked if "single-transaction" in line]


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        ("--single-transaction", "the data from before are still there"),
        ("tar -C /data", "only the pictures and the key are missing"),
        ("kopeck-once migrate.", "database, pictures and key are back, but the shop does not start"),
    ],
)
def test_a_restore_that_breaks_off_starts_the_shop_again(clone: Path, broken: str, sentence: str) -> None:
    done, asked = restore(clone, broken)
    assert done.returncode == 1
    assert asked.index(STOP) < asked.index(START), "it stays stopped"
    assert sentence in done.stderr
    assert "orders are back" not in done.stdout


def test_a_shop_that_does_not_start_with_what_was_restored_is_told(clone: Path) -> None:
    done, asked = restore(clone, START)
    assert done.returncode == 1
    assert "database, pictures and key are back, but the shop does not start" in done.stderr
    assert f"{clone / 'engine'} logs says why" in done.stderr
    assert asked.count(START) == 2


def test_a_good_restore_starts_the_shop_once(clone: Path) -> None:
    done, asked = restore(clone, "nothing of this kind")
    assert (done.returncode, done.stderr) == (0, "")
    assert asked.count(START) == 1
    assert "7 orders are back" in done.stdout


def test_without_a_folder_for_the_pictures_the_database_is_left_alone(clone: Path) -> None:
    (clone / "psql").write_text('#!/bin/sh\necho "psql $@" >>"$NOTES"\necho 0\n')
    (clone / "psql").chmod(0o755)
    done, asked = restore(
        clone, "none", DATABASE_URL="postgresql:///x", PATH=f"{clone}{os.pathsep}{os.environ['PATH']}"
    )
    assert done.returncode != 0
    assert "DATA_DIR: names the folder for the pictures" in done.stderr
    assert asked == []
