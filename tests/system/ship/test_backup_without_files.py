"""An archive without the pictures and the key is none: deploy/backup must not call it whole.

For the containers the engine is a script: PostgreSQL's answers, the web server does not run.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.starting import BASE_DIR

ENGINE = """#!/bin/sh
case "$*" in
*"exec -T web"*) echo 'service "web" is not running' >&2; exit 1 ;;
*--list*) cat >/dev/null; echo "1; 0 1 TABLE DATA public orders_order kopeck" ;;
*pg_dump*) echo dump ;;
esac
"""
#: pg_dump and pg_restore of this machine, where DATABASE_URL is set.
PROGRAMS = {
    "pg_dump": "#!/bin/sh\necho dump\n",
    "pg_restore": "#!/bin/sh\ncat >/dev/null\necho '1; 0 1 TABLE DATA public orders_order kopeck'\n",
}


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    (tmp_path / "deploy").mkdir()
    shutil.copy(BASE_DIR / "deploy" / "backup", tmp_path / "deploy")
    (tmp_path / "bin").mkdir()
    for name, text in {**PROGRAMS, "engine": ENGINE}.items():
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    return tmp_path


def backup(clone: Path, **more: str) -> "subprocess.CompletedProcess[str]":
    env = {"PATH": f"{clone / 'bin'}{os.pathsep}{os.environ['PATH']}", "COMPOSE": "engine", **more}
    command = [str(clone / "deploy" / "backup")]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=240, check=False)


def assert_refused(clone: Path, done: "subprocess.CompletedProcess[str]", sentence: str) -> None:
    assert done.returncode != 0
    assert sentence in done.stderr
    assert done.stdout == ""
    assert not list(clone.glob("backups/*")), "an archive was left"


def test_nothing_is_saved_while_no_web_server_runs_that_has_the_files(clone: Path) -> None:
    assert_refused(clone, backup(clone), "/data, with the pictures and the key, cannot be looked into")


def test_nothing_is_saved_where_the_folder_is_not_there(clone: Path) -> None:
    done = backup(clone, DATABASE_URL="postgresql:///x", DATA_DIR=str(clone / "mistyped"), SECRET_KEY="s")
    assert_refused(clone, done, "mistyped, with the pictures and the key, cannot be looked into")


def test_nothing_is_saved_where_no_folder_is_named(clone: Path) -> None:
    done = backup(clone, DATABASE_URL="postgresql:///x")
    assert_refused(clone, done, "DATA_DIR: names the folder with the pictures")


def test_nothing_is_saved_where_the_folder_holds_no_key_and_none_is_set(clone: Path) -> None:
    (clone / "data" / "media").mkdir(parents=True)
    done = backup(clone, DATABASE_URL="postgresql:///x", DATA_DIR=str(clone / "data"))
    assert_refused(clone, done, "no secret-key, and no SECRET_KEY is set")


@pytest.mark.parametrize("place", ["environment", "environment, as a file", ".env", ".env, as a file"])
def test_a_key_that_the_owner_keeps_elsewhere_is_not_asked_of_the_folder(clone: Path, place: str) -> None:
    (clone / "data").mkdir()
    setting = "SECRET_KEY_FILE" if "file" in place else "SECRET_KEY"
    given = {setting: "s"} if place.startswith("environment") else {}
    if not given:
        (clone / ".env").write_text(f"DOMAIN=shop.example\n{setting}=s\n")
    done = backup(clone, DATABASE_URL="postgresql:///x", DATA_DIR=str(clone / "data"), **given)
    assert (done.returncode, done.stderr) == (0, "")
    assert "1 tables, 0 pictures), read again and whole." in done.stdout
    assert len(list(clone.glob("backups/*.tar"))) == 1
