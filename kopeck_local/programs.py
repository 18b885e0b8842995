"""The programs that `make run` has started: watched, started again after a kill, stopped in order.

Each is a child in a session of its own, with its output in DATA_DIR/logs. It ends with this process, however
that ends (kopeck_local/child.py).
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from kopeck.ops.starting import Pauses, Refused
from kopeck_local import postgres
from kopeck_local.child import spawn, tail
from kopeck_local.place import BASE_DIR

LARGEST_LOG = 2_000_000  # bytes, then it is set aside at the next start
#: A sandbox that ends has a defect, and what it has sent by then nobody knows: it is not started again.
COMES_BACK = ("web", "worker", "PostgreSQL")
STOP_ORDER = ("web", "worker", "sandbox")


def say(line: str) -> None:
    with suppress(OSError):  # the terminal may be gone while we stop
        print(line, flush=True)


class Stopped(Exception):
    """Ctrl-C, or another signal that asks to stop."""


@dataclass
class Program:
    """One running child, how it is started, and how long it may take to stop."""

    name: str
    command: list[str]
    env: dict[str, str]
    log: Path
    patience: float
    process: "subprocess.Popen[bytes]"


class Comeback:
    """When something that ended by itself is started again."""

    def __init__(self) -> None:
        self._pauses = Pauses()
        self._due: float | None = None

    def is_due(self, what: str) -> bool:
        """Says once that it has ended; True when it should be started, which is then taken as done."""
        now = time.monotonic()
        if self._due is None:
            pause = self._pauses.next()
            self._due = now + pause
            say(f"{what} It will be started again in {pause:.0f} s.")
        if now < self._due:
            return False
        self._due = None
        self._pauses.begin()
        return True


class Programs:
    """What one `make run` has started, in this order, and the embedded PostgreSQL if there is one."""

    def __init__(self, data: Path) -> None:
        self.logs = data / "logs"
        self.started: list[Program] = []
        self.postgres: postgres.EmbeddedPostgres | None = None
        self.asked_to_stop = False
        #: From then on a child that ends is started again; before, its end is the end of the start.
        self.is_ready = False
        self.comebacks = {name: Comeback() for name in COMES_BACK}

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.asked_to_stop:  # the second time: no more waiting
            for program in self.started:
                _signal_group(program.process.pid, signal.SIGKILL)
            if self.postgres:
                self.postgres.process.send_signal(signal.SIGQUIT)
            os._exit(1)
        # Only noted: an exception here could come between a child's start and our knowing of it.
        self.asked_to_stop = True

    def start_postgres(self) -> str:
        """The DATABASE_URL of the embedded server. Raises PostgresFailed."""
        _set_aside(self.logs / "postgres.log")
        self.postgres = postgres.start(self.logs.parent, say=lambda line: say(f"  {line}"))
        return self.postgres.url

    def launch(self, name: str, command: list[str], env: dict[str, str], *, patience: float) -> Program:
        if self.asked_to_stop:
            raise Stopped
        log = self.logs / f"{name}.log"
        _set_aside(log)
        program = Program(name, command, env, log, patience, _start(name, command, env, log))
        self.started.append(program)
        return program

    def wait_for_note(self, note: Path, program: Program, seconds: float) -> None:
        """Wait until this program has left its note. Raises Stopped; Refused when it ends before that.

        What others die of meanwhile is told afterwards: this one may know better why nothing works here.
        """
        self._wait(lambda: note.exists() or program.process.poll() is not None, program, seconds)
        if program.process.poll() is not None:
            self._raise_death(program)

    def wait(self, until: Callable[[], bool], program: Program, seconds: float) -> None:
        """Wait for a condition while all programs live. Raises Stopped, Refused."""

        def is_done() -> bool:
            self.watch()
            return until()

        self._wait(is_done, program, seconds)

    def _wait(self, is_done: Callable[[], bool], program: Program, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not is_done():
            if self.asked_to_stop:
                raise Stopped
            if time.monotonic() > deadline:
                late = f"{program.name} is not ready after {seconds:.0f} s."
                raise Refused(f"{late} The last lines of {program.log}:\n{tail(program.log)}")
            time.sleep(0.05)
        if self.asked_to_stop:
            raise Stopped

    def watch(self) -> None:
        """Look once after every program. Raises Stopped, Refused."""
        if self.asked_to_stop:
            raise Stopped
        for program in self.started:
            if program.process.poll() is None:
                continue
            if program.name not in self.comebacks or not self.is_ready:
                self._raise_death(program)
            elif self.comebacks[program.name].is_due(f"{_death(program)} Its log is {program.log}."):
                _signal_group(program.process.pid, signal.SIGKILL)  # and what it may have left behind
                program.process = _start(program.name, program.command, program.env, program.log)
        if self.postgres and self.postgres.process.poll() is not None:
            self._bring_back_postgres(self.postgres)

    def _bring_back_postgres(self, ended: postgres.EmbeddedPostgres) -> None:
        """The embedded one, at the same address; web server and worker find it by themselves."""
        log = self.logs / "postgres.log"
        if not self.is_ready:
            raise Refused(f"PostgreSQL stopped unexpectedly. The last lines of {log}:\n{tail(log)}")
        if self.comebacks["PostgreSQL"].is_due(f"PostgreSQL stopped unexpectedly. Its log is {log}."):
            ended.stop()
            self.postgres = postgres.start(self.logs.parent)

    def _raise_death(self, program: Program) -> None:
        last = tail(program.log, 1).strip()
        if last.startswith("kopeck: "):  # it refused, and has said why
            raise Refused(last.removeprefix("kopeck: "))
        lines = tail(program.log) or "    (it wrote nothing)\n"
        raise Refused(f"{_death(program)} The last lines of {program.log}:\n{lines}")

    def stop(self) -> None:
        """Stop web, worker, sandbox, PostgreSQL, in that order; each has its time, then it is killed."""
        for program in sorted(self.started, key=lambda program: STOP_ORDER.index(program.name)):
            with suppress(ProcessLookupError):
                program.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                program.process.wait(program.patience)
            _signal_group(program.process.pid, signal.SIGKILL)  # and what it may have left behind
            program.process.wait()
        if self.postgres:
            self.postgres.stop()


def _start(name: str, command: list[str], env: dict[str, str], log: Path) -> "subprocess.Popen[bytes]":
    # Where this process is killed PostgreSQL goes too: a worker asked politely would wait for it.
    last = signal.SIGKILL if name == "worker" else signal.SIGTERM
    return spawn(command, log=log, cwd=BASE_DIR, env=env, end_signal=last)


def _death(program: Program) -> str:
    code = program.process.returncode
    how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    return f"{program.name} stopped unexpectedly ({how})."


def _signal_group(leader: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)


def _set_aside(log: Path) -> None:
    if log.exists() and log.stat().st_size > LARGEST_LOG:
        log.replace(log.with_name(f"{log.name}.1"))
