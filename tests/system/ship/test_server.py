"""deploy/server against a server that is a folder here: a script in place of ssh runs it with sh.

The engine is a script that notes what it is asked. What was tried on a real server is in docs/guide.md.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.starting import BASE_DIR

PROGRAMS = {
    # A server without systemd: these tests write no units on the machine that they run on.
    "ssh": """#!/bin/sh
while [ "$1" != me@server ]; do shift; done
shift
echo "$*" >>"$NOTES.ssh"
case "$*" in
*" bash "*) sed 's#/run/systemd/system#/nowhere#g' | sh -c "$*" ;;
*) exec sh -c "$*" ;;
esac
""",
    "sudo": '#!/bin/sh\nshift\nexec "$@"\n',
    "docker": """#!/bin/sh
echo "$@ IMAGE=$IMAGE" >>"$NOTES"
case "$*" in *"ps -q web"*) echo "$RUNNING" ;; *inspect*Image*) echo an-image-that-runs ;; esac
""",
    "curl": '#!/bin/sh\necho "curl $*" >>"$NOTES"\n',
}
KEYS = "STRIPE_SECRET_KEY=sk_test_x\nSTRIPE_PUBLISHABLE_KEY=pk_test_x\n"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    clone = tmp_path / "clone"
    shutil.copytree(BASE_DIR / "deploy", clone / "deploy")
    for name in ("compose.yaml", "compose.demo.yaml"):
        shutil.copy(BASE_DIR / name, clone)
    (tmp_path / "bin").mkdir()
    for name, text in PROGRAMS.items():
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    return clone


def serve(clone: Path, settings: str | None, *words: str, **more: str) -> "subprocess.CompletedProcess[str]":
    """deploy/server with these settings and an image that the server pulls."""
    place = clone.parent
    if settings is not None:
        (clone / "settings").write_bytes(settings.encode())
    env = {
        "PATH": f"{place / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "FOLDER": str(place / "kopeck"),
        "NOTES": str(place / "notes"),
        "RUNNING": "",
        **more,
    }
    command = [str(clone / "deploy" / "server"), "me@server", "--image", "registry.example/kopeck:1"]
    command += words or ["--env", "settings"]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=240, check=False)


def sent(clone: Path) -> str:
    return (clone.parent / "kopeck" / ".env").read_text()


def asked(clone: Path) -> list[str]:
    return (clone.parent / "notes").read_text().splitlines()


def test_a_server_is_started_with_the_settings_that_are_sent(clone: Path) -> None:
    done = serve(clone, f"DOMAIN=shop.example\n{KEYS}")
    assert done.returncode == 0, done.stderr
    assert sent(clone) == (
        f"DOMAIN=shop.example\n{KEYS}COMPOSE_FILE=compose.yaml\nIMAGE=registry.example/kopeck:1\n"
    )
    assert [line for line in asked(clone) if line.startswith("compose up -d --no-build --wait")]
    assert (clone.parent / "kopeck" / "deploy" / "update").exists()
    assert asked(clone)[-1].endswith("https://shop.example/readyz")


def test_secrets_may_come_from_files(clone: Path) -> None:
    files = "STRIPE_SECRET_KEY_FILE=/run/own/key\nSTRIPE_PUBLISHABLE_KEY_FILE=/run/own/publishable\n"
    done = serve(clone, f"DOMAIN=shop.example\n{files}")
    assert done.returncode == 0, done.stderr
    assert files in sent(clone)


def test_a_key_that_is_nowhere_is_asked_for(clone: Path) -> None:
    done = serve(clone, "DOMAIN=shop.example\nSTRIPE_SECRET_KEY_FILE=/run/own/key\n")
    assert done.returncode == 1
    assert "has no STRIPE_PUBLISHABLE_KEY and no STRIPE_PUBLISHABLE_KEY_FILE" in done.stderr


def test_the_owners_compose_file_is_kept_and_comes_along(clone: Path) -> None:
    (clone / "compose.own.yaml").write_text("services: {}\n")
    (clone / "compose.private.yaml").write_text("services: {}\n")
    done = serve(clone, f"DOMAIN=shop.example\nCOMPOSE_FILE=compose.yaml:compose.own.yaml\n{KEYS}")
    assert done.returncode == 0, done.stderr
    assert "COMPOSE_FILE=compose.yaml:compose.own.yaml\n" in sent(clone)
    assert sent(clone).count("COMPOSE_FILE=") == 1
    folder = clone.parent / "kopeck"
    assert sorted(path.name for path in folder.glob("*.yaml")) == ["compose.own.yaml", "compose.yaml"]


@pytest.mark.parametrize(
    "line",
    [
        'DOMAIN="shop.example"',
        "DOMAIN='shop.example'",
        "DOMAIN=shop.example # ours",
        "export DOMAIN=shop.example",
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_shop_is_asked_for_by_the_name_that_compose_reads(clone: Path, line: str, end: str) -> None:
    done = serve(clone, f"{line}\n{KEYS}".replace("\n", end))
    assert done.returncode == 0, done.stderr
    assert asked(clone)[-1].split()[-1] == "https://shop.example/readyz"
    assert "\r" not in sent(clone)


def test_a_server_with_settings_of_its_own_is_updated_by_them(clone: Path) -> None:
    folder = clone.parent / "kopeck"
    folder.mkdir()
    (folder / ".env").write_text('DOMAIN="shop.example"\r\nIMAGE="registry.example/kopeck:0"\r\n')
    (clone / "settings").unlink(missing_ok=True)
    done = serve(clone, None, RUNNING="a-web-server")
    assert done.returncode == 0, done.stderr
    assert "done: web, web2 and worker run registry.example/kopeck:1" in done.stderr
    assert sent(clone).splitlines() == ['DOMAIN="shop.example"', "IMAGE=registry.example/kopeck:1"]
    assert asked(clone)[-1].split()[-1] == "https://shop.example/readyz"


def test_new_settings_keep_the_image_until_the_update_is_good(clone: Path) -> None:
    folder = clone.parent / "kopeck"
    folder.mkdir()
    (folder / ".env").write_text("IMAGE='registry.example/kopeck:0' # the one before\n")
    (clone.parent / "bin" / "docker").write_text(
        PROGRAMS["docker"] + 'case "$*" in *kopeck-once*) exit 1 ;; esac\n'
    )
    done = serve(clone, f"DOMAIN=shop.example\n{KEYS}", RUNNING="a-web-server")
    assert done.returncode == 1
    assert "nothing was replaced" in done.stderr
    assert "IMAGE=registry.example/kopeck:0" in sent(clone).splitlines()


def test_the_users_shell_on_the_server_is_given_nothing_that_only_bash_reads(clone: Path) -> None:
    assert serve(clone, f"DOMAIN=shop.example\n{KEYS}").returncode == 0
    commands = (clone.parent / "notes.ssh").read_text()
    assert "bash -euo pipefail -s" in commands
    assert "$'" not in commands


def test_a_demo_needs_a_name_and_nothing_else(clone: Path) -> None:
    done = serve(clone, None, "--demo", DOMAIN="demo.example")
    assert done.returncode == 0, done.stderr
    assert sent(clone) == (
        "DOMAIN=demo.example\nCOMPOSE_FILE=compose.demo.yaml\nIMAGE=registry.example/kopeck:1\n"
    )
    assert sorted(path.name for path in (clone.parent / "kopeck").glob("*.yaml")) == ["compose.demo.yaml"]
    assert [line for line in asked(clone) if line.startswith("compose up -d --no-build --wait")]
    assert "the demo runs at https://demo.example/" in done.stderr


def test_a_demo_is_begun_again_by_its_newer_image_and_not_updated_as_a_shop_is(clone: Path) -> None:
    assert serve(clone, None, "--demo", DOMAIN="demo.example").returncode == 0
    done = serve(clone, None, "--demo", DOMAIN="demo.example", RUNNING="a-web-server")
    assert done.returncode == 0, done.stderr
    assert not [line for line in asked(clone) if "ps -q web" in line]


def test_a_demo_without_a_name_is_refused(clone: Path) -> None:
    done = serve(clone, None, "--demo")
    assert done.returncode == 1
    assert "the name that leads to the server" in done.stderr


def test_two_servers_are_refused(clone: Path) -> None:
    done = serve(clone, None, "--demo", "you@server", DOMAIN="demo.example")
    assert (done.returncode, done.stderr.strip()) == (1, "server: I do not know you@server.")
