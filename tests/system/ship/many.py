"""A shop on several machines, played on one: web servers behind Caddy, workers, PgBouncer before PostgreSQL.

PgBouncer pools by transaction, so that any number of web servers share a few connections of PostgreSQL.
Workers speak to PostgreSQL itself: they listen for new jobs, which needs a connection of their own.
"""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psycopg.conninfo

from kopeck.ops.serve import granian
from tests.support.starting import BASE_DIR
from tests.system.ship.servers import Servers, wait_for

SECRET = f"whsec_{secrets.token_hex(16)}"
#: Connections of PostgreSQL that all web servers share.
SHARED = 12


def find_pgbouncer() -> str | None:
    return shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")


class Machines(Servers):
    """`number` web servers and as many workers; `kill` ends one as a power cut would."""

    def __init__(self, folder: Path, number: int) -> None:
        super().__init__(folder)
        self.number = number
        self.web = [self._free() for _ in range(number)]
        self.webs: list[subprocess.Popen[bytes]] = []
        self.workers: list[subprocess.Popen[bytes]] = []
        self.pool = self._free()
        self.env |= {"STRIPE_WEBHOOK_SECRET": SECRET, "BUDGET_VISITOR": "0", "BUDGET_ADDRESS": "0"}

    def start_all(self, caddy: str, pgbouncer: str) -> None:
        prepare = [sys.executable, "-m", "kopeck.ops.prepare", str(self.folder / "admin-password")]
        subprocess.run(prepare, cwd=BASE_DIR, env=self.env, stdout=self.log, check=True, timeout=240)
        words = ["--memory", "--port", self.sandbox.rpartition(":")[2]]
        words += ["--webhook", f"{self.shop}/webhooks/stripe/default={SECRET}"]
        self._start([sys.executable, "-m", "stripe_sandbox", *words], self.env)
        self._start([pgbouncer, *self._pool_settings()], dict(os.environ))
        self.webs = [self.start_one(number) for number in range(self.number)]
        self.workers = [self.start_worker() for _ in range(self.number)]
        door = self.start_caddy(caddy)
        for number, process in enumerate(self.webs):
            wait_for(f"{self.web[number]}/readyz", 200, process)
        wait_for(f"{self.shop}/readyz", 200, door)

    def _pool_settings(self) -> list[str]:
        """The arguments of PgBouncer, with its settings in a file."""
        to = psycopg.conninfo.conninfo_to_dict(self.postgres.url)
        names = ("host", "port", "user", "dbname")
        behind = (
            " ".join(f"{name}={to[name]}" for name in names if to.get(name)) + " application_name=pgbouncer"
        )
        file = self.folder / "pgbouncer.ini"
        file.write_text(
            f"[databases]\nkopeck = {behind}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
            f"listen_port = {self.pool.rpartition(':')[2]}\nunix_socket_dir =\nauth_type = any\n"
            f"pool_mode = transaction\ndefault_pool_size = {SHARED}\nmax_client_conn = 500\n"
        )
        file.chmod(0o644)
        if os.getuid():
            return [str(file)]
        # It never runs as root, but as who may open PostgreSQL's socket, and has to reach the file.
        for folder in (self.folder, *self.folder.parents[:2]):
            folder.chmod(folder.stat().st_mode | 0o011)
        return ["-u", pwd.getpwuid(Path(str(to["host"])).stat().st_uid).pw_name, str(file)]

    def start_one(self, number: int) -> "subprocess.Popen[bytes]":
        """A web server, whose database is PgBouncer's."""
        port = int(self.web[number].rpartition(":")[2])
        database = f"postgresql://kopeck@127.0.0.1:{self.pool.rpartition(':')[2]}/kopeck"
        return self._in_a_session(
            granian("127.0.0.1", port, threads=16), {**self.env, "DATABASE_URL": database}
        )

    def start_worker(self) -> "subprocess.Popen[bytes]":
        return self._in_a_session([sys.executable, "manage.py", "worker"], self.env)

    def _in_a_session(self, command: list[str], env: dict[str, str]) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(
            command, cwd=BASE_DIR, env=env, stdout=self.log, stderr=self.log, start_new_session=True
        )
        self.processes.append(process)
        return process

    @staticmethod
    def kill(process: "subprocess.Popen[bytes]") -> None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def close(self) -> None:
        for process in (*self.webs, *self.workers):
            if process.poll() is None:
                self.kill(process)
        super().close()
