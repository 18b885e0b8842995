"""`make run`: the whole shop from one command, and all of it stopped by Ctrl-C.

Starts the embedded PostgreSQL, the local Stripe, the web server and the worker, says where they are and
waits beside them (kopeck_local/programs.py). Ports, folders and secrets are those of kopeck_local/place.py.
"""

import http.client
import math
import os
import signal
import sys
import time
from contextlib import suppress
from urllib.parse import urlsplit

from kopeck.configuration.env import env as value_of
from kopeck.configuration.env import env_int
from kopeck.ops.serve import FEW_HEAPS, granian
from kopeck.ops.starting import ADMIN, Refused, given_database, refuse_endless_redirects, require_free
from kopeck.private import private_folder
from kopeck_local import postgres
from kopeck_local.child import end_with_parent
from kopeck_local.place import (
    BASE_DIR,
    Place,
    read_place,
    require_database,
    require_settings,
    sandbox_endpoints,
    shop_env,
)
from kopeck_local.programs import Program, Programs, Stopped, say


class Run:
    """One start of the shop, step by step."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.programs = Programs(place.data)
        self.began = self.step_began = time.monotonic()

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
        self.start_worker(env)
        web = web or self.start_web(env)
        if sandbox:
            self.programs.wait(lambda: _answers(place.sandbox_url, "/"), sandbox, 30)
            self.step("sandbox", "ready, webhooks registered")
        self.programs.wait(lambda: _answers(place.shop, "/readyz", 200), web, 60)
        self.step("web, worker", "ready")
        self.programs.is_ready = True

    def database(self) -> str | None:
        """The embedded one's DATABASE_URL; None where the owner names another, which must answer."""
        if url := given_database(self.place.env):
            require_database(url)
            self.step("PostgreSQL", "the one of DATABASE_URL")
            return None
        url = self.programs.start_postgres()
        self.step("PostgreSQL", "embedded, ready")
        return url

    def start_sandbox(self, env: dict[str, str]) -> Program:
        place = self.place
        # Where both have one port nobody outside asks for this one.
        host = "127.0.0.1" if place.one_port else place.host
        listen = ["--host", host, "--port", str(place.sandbox_port), "--public-url", env["SANDBOX_URL"]]
        keep_in = ["--data", str(place.data / "sandbox.sqlite3")]
        tell = [word for endpoint in sandbox_endpoints(place, env) for word in ("--webhook", endpoint)]
        command = [sys.executable, "-m", "stripe_sandbox", *listen, *keep_in, *tell]
        # A checkout has the sandbox in a folder and nothing of it installed.
        places = [str(BASE_DIR / "sandbox"), env.get("PYTHONPATH", "")]
        env = {**env, "PYTHONPATH": os.pathsep.join(filter(None, places))}
        return self.programs.launch("sandbox", command, env, patience=4)

    def start_worker(self, env: dict[str, str]) -> None:
        """Returns when tables, demo shop and admin are there: the worker's own process makes them first."""
        note = self.place.data / "logs" / "prepared"
        note.unlink(missing_ok=True)
        words = [str(self.place.password_file), *(["--own-database"] if self.programs.postgres else [])]
        command = [sys.executable, "-m", "kopeck.ops.prepare", *words, "--then-work", str(note)]
        worker = self.programs.launch("worker", command, env, patience=20)
        self.programs.wait_for_note(note, worker, 600)
        self.step("shop", "tables, demo shop and admin are ready")

    def start_web(self, env: dict[str, str]) -> Program:
        threads = env_int("WEB_THREADS", 64, 1, 1000, of=env)
        app = "kopeck_local.one_port" if self.place.one_port else "kopeck.wsgi"
        command = granian(self.place.host, self.place.port, threads=threads, module=app)
        return self.programs.launch("web", command, {**FEW_HEAPS, **env}, patience=8)

    def step(self, name: str, what: str) -> None:
        now = time.monotonic()
        say(f"  {name:<12} {what:<36} {now - self.step_began:5.1f} s")
        self.step_began = now

    def summarise(self) -> None:
        place = self.place
        password = "the password that you gave it"  # noqa: S105 - a sentence
        with suppress(FileNotFoundError):
            password = f"password {bold(place.password_file.read_text().strip())}"
        address = value_of("SITE_URL", place.shop, of=place.env).rstrip("/")
        shop, admin = bold(f"{address}/"), bold(f"{address}/admin/")
        rows = [("Shop", shop), ("Admin", f"{admin}   user {bold(ADMIN)}, {password}")]
        if place.sandbox:
            sandbox = bold(f"{place.sandbox_for_browsers}/")
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


def main() -> int:
    """Run until asked to stop. 0 after Ctrl-C, 1 with a sentence on standard error otherwise."""
    # For the programs too: who may write into DATA_DIR can replace our keys and pictures by their own.
    os.umask(os.umask(0o022) | 0o022)
    try:
        return attend(Run(read_place()))
    except Refused as refusal:
        print(f"kopeck: {refusal}", file=sys.stderr)
        return 1


def attend(run: Run, until: float = math.inf) -> int:
    """Start the shop and stay with it to that Unix second, or until asked to stop; `main`'s status."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # as nohup has it
            signal.signal(number, run.programs.on_signal)
    if "MAKELEVEL" in os.environ:  # a killed make would leave all of this behind
        end_with_parent(signal.SIGTERM)()
    failure = ""
    try:
        run.start()
        run.summarise()
        while time.time() < until:
            run.programs.watch()
            time.sleep(0.2)
    except Stopped:
        say("\nStopping ...")
    except (Refused, postgres.PostgresFailed, OSError) as problem:
        failure = str(problem)
    finally:
        began = time.monotonic()
        run.programs.stop()
    if failure:
        with suppress(OSError):
            print(f"\nkopeck: {failure}".rstrip(), file=sys.stderr)
        return 1
    say(f"Stopped everything in {time.monotonic() - began:.1f} s; the data stay in {run.place.data}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
