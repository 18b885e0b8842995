"""deploy/update in a folder of its own, with a script in place of Docker that notes what it is asked.

The update itself is run in real containers by tests/system/ship/containers.sh.
"""

import os
import shutil
import subprocess
from pathlib import Path

from tests.support.starting import BASE_DIR

#: NOT_HERE is an image that is not there, BROKEN a part of what fails, CADDY_IS_NEW what `up` makes of Caddy.
ENGINE = """#!/bin/sh
echo "$@ IMAGE=$IMAGE" >>"$NOTES"
case "$*" in
"image inspect $NOT_HERE") exit 1 ;;
"pull "*/*) ;;
"pull "*) echo "pull access denied" >&2; exit 1 ;;
esac
case "$* IMAGE=$IMAGE" in *"$BROKEN"*) exit 1 ;; esac
case "$*" in
*"ps -q web"|*inspect*Image*) echo an-image-that-runs ;;
"up "*caddy) echo "$CADDY_IS_NEW" >"$NOTES.caddy" ;;
"ps -q caddy") cat "$NOTES.caddy" 2>/dev/null || echo a-caddy ;;
esac
"""


def make_clone(folder: Path) -> Path:
    (folder / "deploy").mkdir()
    for name in ("update", "setting"):
        shutil.copy(BASE_DIR / "deploy" / name, folder / "deploy")
    (folder / "Dockerfile").touch()
    (folder / "engine").write_text(ENGINE)
    (folder / "engine").chmod(0o755)
    return folder


def run(clone: Path, *words: str, **more: str) -> "tuple[subprocess.CompletedProcess[str], list[str]]":
    """How it ended, and everything that the engine was asked for, with the IMAGE that it was given."""
    engine = str(clone / "engine")
    env = {"PATH": os.environ["PATH"], "COMPOSE": engine, "DOCKER": engine, "NOTES": str(clone / "notes")}
    env |= {"BROKEN": "nothing", "NOT_HERE": "nothing", "CADDY_IS_NEW": "a-caddy", **more}
    command = [str(clone / "deploy" / "update"), *words]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=240, check=False)
    return done, (clone / "notes").read_text().splitlines()


def update(clone: Path, *words: str, **more: str) -> list[str]:
    """Everything that the engine was asked for by a good update."""
    done, asked = run(clone, *words, **more)
    assert done.returncode == 0, done.stderr
    assert "done: web, web2 and worker run" in done.stderr
    return asked


def images(asked: list[str]) -> set[str]:
    """What worker, web and web2 were started with."""
    ups = [line.split() for line in asked if line.startswith("up ")]
    found = {words[-2]: words[-1].removeprefix("IMAGE=") for words in ups}
    assert {"worker", "web", "web2"} <= set(found)
    return {found[service] for service in ("worker", "web", "web2")}
