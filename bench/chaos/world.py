"""The whole shop as its owner runs it, twice: PostgreSQL, the local Stripe, two web processes, two workers.

Started and killed by the main thread alone, since children end with the thread that started them.
"""

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import requests

from bench.chaos import clock
from bench.servers import free_port
from kopeck.ops.serve import granian
from kopeck.stripe_api.accounts import SANDBOX_TAIL
from kopeck_local import postgres
from kopeck_local.child import spawn, tail

BASE_DIR = Path(__file__).resolve().parents[2]
WEBS, WORKERS = ("web-1", "web-2"), ("worker-1", "worker-2")
#: The shop's accounts by the end of their key in the sandbox.
ACCOUNTS = {SANDBOX_TAIL: "default", f"{SANDBOX_TAIL}eur": "eur"}
EVENTS = [
    *(f"checkout.session.{end}" for end in ("completed", "expired", "async_payment_succeeded")),
    "checkout.session.async_payment_failed",
    *(f"payment_intent.{end}" for end in ("succeeded", "payment_failed", "processing", "canceled")),
    *("charge.refunded", "refund.created", "refund.updated", "refund.failed"),
]
READY_SECONDS = 240.0


class Broken(Exception):
    """The world itself could not be set up; says which log to read."""


class World:
    """`env` is what the shop's programs get; `goods` what `goods.py` printed."""

    def __init__(self, folder: Path, last_ones: int) -> None:
        self.folder, self.logs, self.last_ones = folder, folder / "logs", last_ones
        self.logs.mkdir(parents=True, exist_ok=True)
        self.sandbox_file = folder / "sandbox.sqlite3"
        self.ports = {name: free_port() for name in (*WEBS, "sandbox")}
        self.stripe = f"http://127.0.0.1:{self.ports['sandbox']}"
        self.webs = [f"http://127.0.0.1:{self.ports[name]}" for name in WEBS]
        self.programs: dict[str, subprocess.Popen[bytes]] = {}
        self.env: dict[str, str] = {}
        self.goods: dict[str, Any] = {}
        self.ahead = 0

    @property
    def pieces(self) -> dict[int, int]:
        """How many there were of the items that run out, by id."""
        return {int(item): pieces for item, pieces in self.goods["stock"].items()}

    def start(self) -> None:
        clock.set_ahead(self.folder / "clock", 0)
        self.postgres = postgres.start(self.folder)
        self.run("sandbox")
        self.wait(self.is_up, "sandbox")
        self.env = self._environment()
        self.goods = json.loads(self.manage("-m", "bench.chaos.goods", str(self.last_ones)))
        for name in (*WEBS, *WORKERS):
            self.run(name)
        for name in WEBS:
            self.wait(self.is_up, name)
        self.control("PUT", "settings", {"delayed_methods": True})
        self.control("PUT", "faults", {"webhook_retry_seconds": [0.5, 1, 2, *[4] * 60]})

    def _environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
        default = [self._endpoint(SANDBOX_TAIL, "default", web) for web in self.webs]
        return {
            **kept,
            "ENV_FILE": os.devnull,
            "DATA_DIR": str(self.folder),
            "DATABASE_URL": self.postgres.url,
            "DJANGO_SETTINGS_MODULE": "bench.chaos.settings",
            "SECRET_KEY": secrets.token_urlsafe(50),
            "STRIPE_SANDBOX": "1",
            "STRIPE_API_BASE": self.stripe,
            # The dollar account's events go to both web processes at the same moment; the euro's to one.
            "STRIPE_WEBHOOK_SECRET": ",".join(default),
            "STRIPE_WEBHOOK_SECRET_EUR": self._endpoint(f"{SANDBOX_TAIL}eur", "eur", self.webs[1]),
            "STRIPE_TIMEOUT": "2",
            "STRIPE_RETRIES": "1",
            "LOG_LEVEL": "WARNING",
            # Each buyer has an address of its own, as behind a proxy: the budgets stay as they are.
            "TRUSTED_PROXIES": "127.0.0.1",
        }

    def _endpoint(self, tail: str, account: str, web: str) -> str:
        asked = {"url": f"{web}/webhooks/stripe/{account}"}
        asked |= {f"enabled_events[{place}]": name for place, name in enumerate(EVENTS)}
        answer = requests.post(
            f"{self.stripe}/v1/webhook_endpoints", asked, auth=(f"sk_test_{tail}", ""), timeout=10
        )
        return str(answer.json()["secret"])

    def run(self, name: str) -> None:
        """Starts one of the programs."""
        if name == "sandbox":
            words = ["-m", "stripe_sandbox", "--port", str(self.ports[name])]
            words += ["--data", str(self.sandbox_file)]
        elif name in WEBS:
            words = granian("127.0.0.1", self.ports[name])[1:]
        else:
            words = ["manage.py", "worker"]
        self.programs[name] = spawn(
            [sys.executable, *words],
            log=self.logs / f"{name}.log",
            cwd=BASE_DIR,
            env={**(self.env or os.environ), "PYTHONPATH": str(BASE_DIR / "sandbox")},
            # A web server ends its own worker process only when it is asked to.
            end_signal=signal.SIGTERM if name in WEBS else signal.SIGKILL,
        )

    def kill(self, name: str) -> None:
        """`kill -9` of a program and its children; it is started again at once."""
        self._kill(name)
        self.run(name)

    def _kill(self, name: str) -> None:
        program = self.programs[name]
        with suppress(ProcessLookupError):
            os.killpg(program.pid, signal.SIGKILL)
        program.wait()

    def revive(self) -> list[str]:
        """Starts again what stopped unexpectedly; whose ends these were."""
        gone = [name for name, program in self.programs.items() if program.poll() is not None]
        for name in gone:
            self.run(name)
        return gone

    def restart_postgres(self) -> None:
        """An immediate stop, as at a power cut, and a start that replays the log."""
        self.postgres.process.send_signal(signal.SIGQUIT)
        self.postgres.process.wait()
        self.postgres.stop()
        self.postgres = postgres.start(self.folder)

    def jump(self, seconds: int) -> None:
        """Stripe's clock and the shop's move on together."""
        self.control("POST", "clock/advance", {"seconds": seconds})
        self.ahead += seconds
        clock.set_ahead(self.folder / "clock", self.ahead)

    def control(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        answer = requests.request(method, f"{self.stripe}/_sandbox/{path}", json=body, timeout=60)
        answer.raise_for_status()
        return answer.json()

    def is_elsewhere(self, kind: str, stripe_id: str) -> bool:
        """Whether Stripe's object is another account's than the shop's: a spell with other keys made it."""
        found = self.control("GET", f"objects?type={kind}&id={stripe_id}")["data"]
        return any(one["account"] not in ACCOUNTS for one in found)

    def wait_for_post(self) -> None:
        """Until Stripe has nothing more to deliver. What was dropped stays dropped."""
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if not self.control("GET", "deliveries?status=pending&limit=1")["data"]:
                return
            time.sleep(0.2)

    def let_time_pass(self, seconds: int) -> None:
        """A jump of all clocks, that of the job queue too, and then what the workers do as time goes by."""
        self.jump(seconds)
        self.wait_for_post()
        for name in WORKERS:
            self._kill(name)
        # The queue's clock is PostgreSQL's own: waits end, and workers that died count as dead.
        with psycopg.connect(self.postgres.url) as connection:
            connection.execute("UPDATE procrastinate_jobs SET scheduled_at = now() WHERE status = 'todo'")
            connection.execute("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 hour'")
        self.manage("-m", "bench.chaos.settle")
        for name in WORKERS:
            self.run(name)
        self.process_jobs()

    def process_jobs(self) -> None:
        """Waits until the workers have done all that is due."""
        due = "SELECT count(*) FROM procrastinate_jobs WHERE status = 'doing' OR status = 'todo' AND " \
            "coalesce(scheduled_at, now()) <= now()"  # fmt: skip
        deadline = time.monotonic() + READY_SECONDS / 4
        with psycopg.connect(self.postgres.url, autocommit=True) as connection:
            while time.monotonic() < deadline:
                if connection.execute(due).fetchone() == (0,):
                    return
                time.sleep(0.1)

    def manage(self, *words: str, accepted: tuple[int, ...] = (0,)) -> str:
        """A short program in the shop's environment; what it printed. Broken for a status not `accepted`."""
        log = self.logs / "manage.log"
        with log.open("ab") as errors:
            done = subprocess.run(
                [sys.executable, *words],
                cwd=BASE_DIR,
                env=self.env,
                stdout=subprocess.PIPE,
                stderr=errors,
                check=False,
                timeout=900,
            )
        if done.returncode not in accepted:
            raise Broken(f"{' '.join(words)} ended with {done.returncode}:\n{tail(log, 30)}")
        return done.stdout.decode()

    def reconcile(self) -> dict[str, Any]:
        """`manage.py reconcile`: `checked`, `repaired`, `left` and `discrepancies`, as it prints them."""
        told = self.manage("manage.py", "reconcile", "--all", "--json", accepted=(0, 1))
        found: dict[str, Any] = json.loads(told.splitlines()[-1])
        return found

    def is_up(self, name: str) -> bool:
        """Whether it answers; of a worker, whether it runs."""
        if name in WORKERS:
            return self.programs[name].poll() is None
        path = "/_sandbox/clock" if name == "sandbox" else "/readyz"
        try:
            return requests.get(f"http://127.0.0.1:{self.ports[name]}{path}", timeout=2).status_code == 200
        except requests.RequestException:
            return False

    def wait(self, until: Callable[[str], bool], name: str) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not until(name):
            if time.monotonic() > deadline or self.programs[name].poll() is not None:
                raise Broken(f"{name} did not get ready:\n{tail(self.logs / f'{name}.log')}")
            time.sleep(0.05)

    def stop(self) -> None:
        for name in self.programs:
            self._kill(name)
        if hasattr(self, "postgres"):
            self.postgres.stop()


@contextmanager
def world(last_ones: int, keep: Path | None = None) -> Iterator[World]:
    """A started world in a folder of its own, which goes with it unless it is to be kept.

    `last_ones`: how many codes there are that can be used once.
    """
    folder = keep or Path(tempfile.mkdtemp(prefix="kopeck-chaos-"))
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise Broken(f"{folder} is not empty: a storm begins with a new shop.")
    folder.chmod(0o755)  # PostgreSQL never runs as root: its own account has to pass through
    made = World(folder, last_ones)
    try:
        made.start()
        yield made
    finally:
        made.stop()
        if keep is None:
            shutil.rmtree(folder, ignore_errors=True)
