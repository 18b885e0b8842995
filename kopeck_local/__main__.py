"""`make run`: the whole shop from one command, and all of it stopped by Ctrl-C.

Starts the embedded PostgreSQL, the local Stripe, the web server and the worker, and waits beside them. Each
is a child in a session of its own, with its output in DATA_DIR/logs; they end with this process, however it
ends (kopeck_local/child.py). A web server, worker or PostgreSQL that ends by itself is started again.
"""

import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from urllib.parse import urlsplit

from kopeck.env import env_int
from kopeck.ops.pauses import Pauses
from kopeck.ops.serve import granian
from kopeck.ops.starting import ADMIN, Refused, given_database, refuse_endless_redirects, require_free
from kopeck.private import private_folder
from kopeck_local import postgres
from kopeck_local.child import end_with_parent, spawn, tail
from kopeck_local.place import (
    BASE_DIR,
    Place,
    read_place,
    require_database,
    require_settings,
    sandbox_endpoints,
    shop_env,
)

LARGEST_LOG = 2_000_000  # bytes, then it is set aside at the next start


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


class Run:
    """The programs of one `make run`, in the order of their start."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.programs: list[Program] = []
        self.postgres: postgres.EmbeddedPostgres | None = None
        self.asked_to_stop = False
        self.is_ready = False
        self.comebacks = {name: Comeback() for name in ("web", "worker", "PostgreSQL")}
        self.began = self.step_began = time.monotonic()

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.asked_to_stop:  # the second time: no more waiting
            for program in self.programs:
                _signal_group(program.process.pid, signal.SIGKILL)
            if self.postgres:
                self.postgres.process.send_signal(signal.SIGQUIT)
            os._exit(1)
        # Only noted: an exception here could come between a child's start and our knowing of it.
        self.asked_to_stop = True

    def start(self) -> None:
        """Every step up to the shop that answers. Raises Refused, Stopped, PostgresFailed."""
        place = self.place
        refuse_endless_redirects(place.env)
        require_settings(place)
        require_free(place.host, "PORT", place.port)
        if place.sandbox:
            require_free(place.host, "SANDBOX_PORT", place.sandbox_port)
        try:
            private_folder(place.data / "logs")
        except OSError as error:
            raise Refused(f"DATA_DIR: the folder {place.data} can't be used: {error.strerror}.") from None
        say(f"Starting Kopeck; its data are in {place.data}")
        self.step("ports", f"{place.port} and {place.sandbox_port} are free" if place.sandbox else "free")
        env = shop_env(place, self.database())
        place.leave_address()
        sandbox = self.start_sandbox(env) if place.sandbox else None
        # A shop that opened before loads meanwhile; a new one opens only when its goods are in.
        web = self.start_web(env) if place.password_file.exists() else None
        self.prepare(env)
        web = web or self.start_web(env)
        self.launch("worker", [sys.executable, "manage.py", "worker"], env, patience=20)
        if sandbox:
            self.wait(lambda: _answers(place.sandbox_url, "/"), sandbox, 30)
            self.step("sandbox", "ready, webhooks registered")
        self.wait(lambda: _answers(place.shop, "/readyz", 200), web, 60)
        self.step("web, worker", "ready")
        self.is_ready = True

    def database(self) -> str | None:
        """The embedded one's DATABASE_URL; None where the owner names another, which must answer."""
        if url := given_database(self.place.env):
            require_database(url)
            self.step("PostgreSQL", "the one of DATABASE_URL")
            return None
        _set_aside(self.place.data / "logs" / "postgres.log")
        self.postgres = postgres.start(self.place.data, say=lambda line: say(f"  {line}"))
        self.step("PostgreSQL", "embedded, ready")
        return self.postgres.url

    def start_sandbox(self, env: dict[str, str]) -> Program:
        place = self.place
        listen = ["--host", place.host, "--port", str(place.sandbox_port), "--public-url", env["SANDBOX_URL"]]
        keep_in = ["--data", str(place.data / "sandbox.sqlite3")]
        tell = [word for endpoint in sandbox_endpoints(place, env) for word in ("--webhook", endpoint)]
        command = [sys.executable, "-m", "stripe_sandbox", *listen, *keep_in, *tell]
        # A checkout has the sandbox in a folder and nothing of it installed.
        places = [str(BASE_DIR / "sandbox"), env.get("PYTHONPATH", "")]
        env = {**env, "PYTHONPATH": os.pathsep.join(filter(None, places))}
        return self.launch("sandbox", command, env, patience=4)

    def prepare(self, env: dict[str, str]) -> None:
        words = [str(self.place.password_file), *(["--own-database"] if self.postgres else [])]
        program = self.launch(
            "prepare", [sys.executable, "-m", "kopeck.ops.prepare", *words], env, patience=2
        )
        self.wait(lambda: program.process.poll() is not None, program, 600)
        if program.process.returncode != 0:
            last = tail(program.log, 1).strip()
            if last.startswith("kopeck: "):  # it refused, and has said why
                raise Refused(last.removeprefix("kopeck: "))
            self.raise_death(program)
        self.programs.remove(program)
        self.step("shop", "tables, demo shop and admin are ready")

    def start_web(self, env: dict[str, str]) -> Program:
        threads = env_int("WEB_THREADS", 64, 1, 1000, of=env)
        command = granian(self.place.host, self.place.port, threads=threads)
        return self.launch("web", command, env, patience=8)

    def launch(self, name: str, command: list[str], env: dict[str, str], *, patience: float) -> Program:
        if self.asked_to_stop:
            raise Stopped
        log = self.place.data / "logs" / f"{name}.log"
        _set_aside(log)
        program = Program(name, command, env, log, patience, _start(name, command, env, log))
        self.programs.append(program)
        return program

    def wait(self, until: Callable[[], bool], program: Program, seconds: float) -> None:
        """Wait for a condition while all programs live. Raises Stopped, Refused."""
        deadline = time.monotonic() + seconds
        while not until():
            self.look_after_programs()
            if time.monotonic() > deadline:
                late = f"{program.name} is not ready after {seconds:.0f} s."
                raise Refused(f"{late} The last lines of {program.log}:\n{tail(program.log)}")
            time.sleep(0.05)
        if self.asked_to_stop:
            raise Stopped

    def look_after_programs(self) -> None:
        if self.asked_to_stop:
            raise Stopped
        for program in self.programs:
            if program.process.poll() is None or program.name == "prepare":
                continue
            if program.name not in self.comebacks or not self.is_ready:
                self.raise_death(program)
            elif self.comebacks[program.name].is_due(f"{_death(program)} Its log is {program.log}."):
                _signal_group(program.process.pid, signal.SIGKILL)  # and what it may have left behind
                program.process = _start(program.name, program.command, program.env, program.log)
        if self.postgres and self.postgres.process.poll() is not None:
            self.bring_back_postgres(self.postgres)

    def bring_back_postgres(self, ended: postgres.EmbeddedPostgres) -> None:
        """The embedded one, at the same address; web server and worker find it by themselves."""
        log = self.place.data / "logs" / "postgres.log"
        if not self.is_ready:
            raise Refused(f"PostgreSQL stopped unexpectedly. The last lines of {log}:\n{tail(log)}")
        if self.comebacks["PostgreSQL"].is_due(f"PostgreSQL stopped unexpectedly. Its log is {log}."):
            ended.stop()
            self.postgres = postgres.start(self.place.data)

    def raise_death(self, program: Program) -> None:
        lines = tail(program.log) or "    (it wrote nothing)\n"
        raise Refused(f"{_death(program)} The last lines of {program.log}:\n{lines}")

    def stop(self) -> None:
        """Stop web, worker, sandbox, PostgreSQL, in that order; each has its time, then it is killed."""
        order = ("web", "worker", "prepare", "sandbox")
        for program in sorted(self.programs, key=lambda program: order.index(program.name)):
            with suppress(ProcessLookupError):
                program.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                program.process.wait(program.patience)
            _signal_group(program.process.pid, signal.SIGKILL)  # and what it may have left behind
            program.process.wait()
        if self.postgres:
            self.postgres.stop()

    def step(self, name: str, what: str) -> None:
        now = time.monotonic()
        say(f"  {name:<12} {what:<36} {now - self.step_began:5.1f} s")
        self.step_began = now

    def summarise(self) -> None:
        place = self.place
        password = "the password that you gave it"  # noqa: S105 - a sentence
        with suppress(FileNotFoundError):
            password = f"password {bold(place.password_file.read_text().strip())}"
        shop, admin = bold(f"{place.shop}/"), bold(f"{place.shop}/admin/")
        rows = [("Shop", shop), ("Admin", f"{admin}   user {bold(ADMIN)}, {password}")]
        if place.sandbox:
            sandbox = bold(f"{place.sandbox_url}/")
            rows.append(("Sandbox", f"{sandbox}   a local Stripe: pay with 4242 4242 4242 4242"))
        elif not any(value and name.startswith("STRIPE_WEBHOOK_SECRET") for name, value in place.env.items()):
            told = "the shop receives no events of Stripe yet: run manage.py stripe_webhooks"
            rows.append(("Webhooks", told))
        if not (place.env.get("EMAIL_HOST") or place.env.get("EMAIL_BACKEND")):
            rows.append(("Mail", f"{place.data / 'mail'}   mails to buyers are written here"))
        rows += [("Logs", str(place.data / "logs")), ("Stop", "Ctrl-C")]
        say(f"\nReady in {time.monotonic() - self.began:.1f} s.\n")
        for name, what in rows:
            say(f"  {name:<9} {what}")
        say("")


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


def _answers(base: str, path: str, status: int | None = None) -> bool:
    """Whether GET is answered: with this status, or with any."""
    connection = http.client.HTTPConnection(urlsplit(base).netloc, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == status or status is None
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def bold(text: str) -> str:
    return f"\033[1m{text}\033[0m" if sys.stdout.isatty() and not os.environ.get("NO_COLOR") else text


def say(line: str) -> None:
    with suppress(OSError):  # the terminal may be gone while we stop
        print(line, flush=True)


def main() -> int:
    """Run until asked to stop. 0 after Ctrl-C, 1 with a sentence on standard error otherwise."""
    # For the programs too: who may write into DATA_DIR can replace our keys and pictures by their own.
    os.umask(os.umask(0o022) | 0o022)
    try:
        run = Run(read_place())
    except Refused as refusal:
        print(f"kopeck: {refusal}", file=sys.stderr)
        return 1
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # as nohup has it
            signal.signal(number, run.on_signal)
    if "MAKELEVEL" in os.environ:  # a killed make would leave all of this behind
        end_with_parent(signal.SIGTERM)()
    failure = ""
    try:
        run.start()
        run.summarise()
        while True:
            run.look_after_programs()
            time.sleep(0.2)
    except Stopped:
        say("\nStopping ...")
    except (Refused, postgres.PostgresFailed, OSError) as problem:
        failure = str(problem)
    finally:
        began = time.monotonic()
        run.stop()
    if failure:
        with suppress(OSError):
            print(f"\nkopeck: {failure}".rstrip(), file=sys.stderr)
        return 1
    say(f"Stopped everything in {time.monotonic() - began:.1f} s; the data stay in {run.place.data}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
