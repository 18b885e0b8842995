"""Which image deploy/update takes; the engine is a script that notes what it is asked and says yes.

The update itself is run in real containers by tests/ship/containers.sh.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.run.starting import BASE_DIR

ENGINE = """#!/bin/sh
echo "$@ IMAGE=$IMAGE" >>"$NOTES"
case "$*" in *"ps -q web"|*inspect*Image*) echo an-image-that-runs;; esac
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    (tmp_path / "deploy").mkdir()
    shutil.copy(BASE_DIR / "deploy" / "update", tmp_path / "deploy")
    (tmp_path / "engine").write_text(ENGINE)
    (tmp_path / "engine").chmod(0o755)
    return tmp_path


def update(clone: Path, *words: str) -> list[str]:
    """Everything that the engine was asked for."""
    engine = str(clone / "engine")
    env = {"PATH": os.environ["PATH"], "COMPOSE": engine, "DOCKER": engine, "NOTES": str(clone / "notes")}
    command = [str(clone / "deploy" / "update"), *words]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    assert "done: web, web2 and worker run" in done.stderr
    return (clone / "notes").read_text().splitlines()


def test_a_clone_without_settings_is_built_and_gets_none(clone: Path) -> None:
    asked = update(clone)
    assert "build web IMAGE=" in asked
    assert [line.rsplit(" ", 1)[1] for line in asked if line.startswith("up ")] == ["IMAGE=kopeck"] * 3
    assert not (clone / ".env").exists()


def test_settings_that_name_no_image_mean_a_build_too(clone: Path) -> None:
    (clone / ".env").write_text("DOMAIN=shop.example\n")
    assert "build web IMAGE=" in update(clone)
    assert (clone / ".env").read_text() == "DOMAIN=shop.example\n"


def test_the_image_of_the_settings_is_pulled(clone: Path) -> None:
    (clone / ".env").write_text("IMAGE=registry.example/kopeck:1\n")
    asked = update(clone)
    assert "pull registry.example/kopeck:1 IMAGE=" in asked
    assert not [line for line in asked if line.startswith("build")]


def test_an_image_that_was_asked_for_is_kept_in_the_settings(clone: Path) -> None:
    (clone / ".env").write_text("IMAGE=registry.example/kopeck:1\nDOMAIN=shop.example\n")
    asked = update(clone, "registry.example/kopeck:2")
    assert [line for line in asked if line.startswith("up ") and "IMAGE=registry.example/kopeck:2" in line]
    assert (clone / ".env").read_text() == "DOMAIN=shop.example\nIMAGE=registry.example/kopeck:2\n"
