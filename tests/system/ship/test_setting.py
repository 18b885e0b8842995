"""deploy/setting reads a file of settings as Compose does, so that scripts and containers mean the same."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.starting import BASE_DIR

LINES = {
    "DOMAIN=shop.example\n": "shop.example",
    "DOMAIN=shop.example": "shop.example",
    "DOMAIN=shop.example\r\n": "shop.example",
    'DOMAIN="shop.example"\n': "shop.example",
    "DOMAIN='shop.example' # ours\r\n": "shop.example",
    "DOMAIN=shop.example   # ours\n": "shop.example",
    "DOMAIN=shop.example#ours\n": "shop.example#ours",
    "export DOMAIN = shop.example \n": "shop.example",
    "\ufeffDOMAIN=shop.example\n": "shop.example",
    "DOMAIN=old.example\nDOMAIN=shop.example\n": "shop.example",
    "#DOMAIN=shop.example\nMY_DOMAIN=x\nDOMAINS=y\n": "",
    "DOMAIN=\n": "",
}


@pytest.mark.parametrize(("text", "value"), LINES.items())
def test_a_setting_is_read_as_compose_reads_it(tmp_path: Path, text: str, value: str) -> None:
    file = tmp_path / "settings"
    file.write_bytes(text.encode())
    assert ask(str(BASE_DIR / "deploy" / "setting"), "DOMAIN", str(file)) == value
    compose = shutil.which("docker-compose", path=os.path.dirname(sys.executable))
    if compose:  # `make check-ship` brings it
        (tmp_path / "compose.yaml").write_text('name: x\nservices: {a: {image: "<${DOMAIN:-}>"}}\n')
        words = (compose, "--project-directory", str(tmp_path), "--env-file", str(file), "config", "--images")
        assert ask(*words) == f"<{value}>"


def test_without_a_file_there_are_no_settings(tmp_path: Path) -> None:
    assert ask(str(BASE_DIR / "deploy" / "setting"), "DOMAIN", str(tmp_path / "none")) == ""


def ask(*words: str) -> str:
    env = {"PATH": os.environ["PATH"]}
    done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.rstrip("\n")
