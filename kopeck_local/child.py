"""Starts a program that ends when the one that started it ends, even by `kill -9`.

Run as a script, this file asks Linux for a signal at its parent's death, gives up root if told to, and
becomes the program, with the same pid. Popen's `preexec_fn` would do the same, but threads make it unsafe.
Other systems than Linux have no such signal: the next start then finds what was left over and stops it.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

PR_SET_PDEATHSIG = 1  # linux/prctl.h


class Account(NamedTuple):
    """The system account that a child runs as."""

    uid: int
    gid: int


def spawn(
    command: Sequence[str],
    *,
    log: Path,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    account: Account | None = None,
    end_signal: signal.Signals = signal.SIGTERM,
) -> "subprocess.Popen[bytes]":
    """Start `command` in its own session (Ctrl-C reaches the parent alone), its output appended to `log`.

    It ends with the calling *thread*, as Linux has it: call this from one that stays, such as the main one.
    """
    uid, gid = account or (-1, -1)
    wrapper = [sys.executable, "-I", "-S", str(Path(__file__).resolve())]
    told = [str(os.getpid()), str(int(end_signal)), str(uid), str(gid)]
    with log.open("ab") as output:
        with suppress(PermissionError):  # it is another account's
            os.fchmod(output.fileno(), 0o600)
        return subprocess.Popen(
            [*wrapper, *told, *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env=env,
            start_new_session=True,
        )


def tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log, indented; empty if there is none."""
    try:
        text = log.read_text(errors="replace")
    except OSError:
        return ""
    return "".join(f"    {line}\n" for line in text.splitlines()[-lines:])


def end_with_parent(number: signal.Signals) -> Callable[[], None]:
    """A function that asks Linux for this signal at the parent's death. Does nothing on other systems."""
    if sys.platform != "linux":
        return lambda: None
    import ctypes

    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0)


def _become(parent: int, end_signal: int, uid: int, gid: int, command: list[str]) -> None:
    # Loaded before setuid: the other account may not be allowed to read Python's own files.
    ask = end_with_parent(signal.Signals(end_signal))
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    ask()  # after setuid, which forgets it
    if os.getppid() != parent:
        sys.exit("the process that started this one has already ended")
    os.execvp(command[0], command)  # noqa: S606


if __name__ == "__main__":
    _become(*map(int, sys.argv[1:5]), sys.argv[5:])  # type: ignore[call-arg, arg-type]
