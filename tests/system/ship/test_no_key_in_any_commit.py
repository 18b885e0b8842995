"""The job of CI that looks for Stripe's keys in the history: run here as GitHub runs it."""

import re
import subprocess
import textwrap
from pathlib import Path

import pytest

from tests.support.lacking import lacks
from tests.support.starting import BASE_DIR

#: Put together here, so that this file holds none of them.
EXAMPLE = "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc"
KEYS = [
    "sk_live_" + "9zQ" * 8,
    "rk_live_" + "51Hx" * 24,
    "whsec_" + "a1B2" * 8,
    EXAMPLE + "Xy7",  # the example is known, what begins like it is not
]


def look(folder: Path) -> "subprocess.CompletedProcess[str]":
    """The step's own commands, by the shell that its `shell: bash` stands for."""
    workflow = (BASE_DIR / ".github/workflows/ci.yml").read_text()
    step = workflow.partition("No key of Stripe's in any commit")[2]
    lines = re.search(r"run: \|\n((?: {10}.*\n)+)", step)
    assert lines
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", textwrap.dedent(lines[1])]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def commit(folder: Path, written: bytes) -> None:
    (folder / "notes").write_bytes(written)
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@localhost", "-c", "commit.gpgsign=false"]
    for words in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message", "x"]):
        subprocess.run([*git, *words], cwd=folder, check=True)


@pytest.mark.parametrize("key", KEYS)
def test_a_key_that_was_once_committed_is_found_though_it_is_gone(tmp_path: Path, key: str) -> None:
    commit(tmp_path, f"key = '{key}'\n".encode())
    commit(tmp_path, b"key = ''\n")
    done = look(tmp_path)
    assert done.returncode == 1
    assert key[:14] in done.stdout


@pytest.mark.parametrize("before", [f"{EXAMPLE} ".encode(), b"\xff\xfe\n"])
def test_a_key_beside_the_example_or_beside_odd_bytes_is_found(tmp_path: Path, before: bytes) -> None:
    commit(tmp_path, before + f"{KEYS[0]}\n".encode())
    done = look(tmp_path)
    assert done.returncode == 1
    assert KEYS[0][:14] in done.stdout


def test_the_example_and_short_made_up_keys_are_no_finding(tmp_path: Path) -> None:
    commit(tmp_path, f"'{EXAMPLE}',\nsk_live_x\nsk_test_{'9zQ' * 8}\nwhsec_short\n".encode())
    done = look(tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_history_that_cannot_be_read_is_no_success(tmp_path: Path) -> None:
    assert look(tmp_path).returncode != 0


def test_this_repository_holds_none() -> None:
    if not (BASE_DIR / ".git").exists():
        lacks("the history of this repository (it is no clone)", ci_brings_it=False)
    done = look(BASE_DIR)
    assert (done.returncode, done.stdout) == (0, "")
