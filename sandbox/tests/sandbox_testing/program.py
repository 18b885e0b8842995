"""`python -m stripe_sandbox` in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

#: Where the sandbox can be imported from, be it installed or not.
ROOT = Path(__file__).parents[2]


def start(*arguments: str, **env: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "stripe_sandbox", *arguments],
        cwd=ROOT,
        env={**os.environ, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def address_of(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert "http://127.0.0.1:" in line, line
    return "http://127.0.0.1:" + line.rpartition(":")[2].strip()
