"""A shop as on a server, without containers: PostgreSQL, sandbox, two web servers, Caddy before them."""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Protocol

from kopeck_local import postgres
from tests.support.starting import BASE_DIR, clean_env, free_port

READY_SECONDS = 240.0
DRAIN_SECONDS = 3


#: What a machine without it lacks, in the words of tests/support/lacking.py.
CADDY = "caddy (`make check-ship` brings it)"


def find_caddy() -> str | None:
    beside = Path(sys.executable).with_name("caddy")
    return str(beside) if beside.exists() else shutil.which("caddy")


def get(address: str) -> tuple[int, bytes]:
    """What GET is answered with; 0 for no answer."""
    try:
        with urllib.request.urlopen(address, timeout=240) as answer:
            return int(answer.status), answer.read()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read()
    except OSError:
        return 0, b""


def status(address: str) -> int:
    return get(address)[0]


def wait_for(address: str, wanted: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + READY_SECONDS
    while status(address) != wanted:
        assert process.poll() is None, f"{process.args} has ended"
        assert time.monotonic() < deadline, f"{address} does not answer {wanted}"
        time.sleep(0.05)


def caddy_here(
    caddy: str, folder: Path, site: str, upstreams: str, **more: str
) -> tuple[list[str], dict[str, str]]:
    """The command and the environment of a Caddy with the Caddyfile of a deployment."""
    told = {
        "SITE_ADDRESS": site,
        "UPSTREAMS": upstreams,
        "CADDY_ADMIN": f"127.0.0.1:{free_port()}",
        "XDG_DATA_HOME": str(folder / "caddy"),
        "XDG_CONFIG_HOME": str(folder / "caddy"),
    }
    file = str(BASE_DIR / "deploy" / "caddy" / "Caddyfile")
    return [caddy, "run", "--config", file, "--adapter", "caddyfile"], {**os.environ, **told, **more}


class Database(Protocol):
    """A PostgreSQL for a shop: its DATABASE_URL, and how it is stopped."""

    url: str

    def stop(self) -> None: ...


class Servers:
    """`shop` is Caddy's address, `web` the addresses of the web servers behind it."""

    def __init__(self, folder: Path, database: Database | None = None) -> None:
        self.folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []
        self.log = (folder / "log").open("wb")
        self.postgres = database or postgres.start(folder, fast=True)
        self.shop = self._free()
        self.sandbox, self.web = self._free(), [self._free(), self._free()]
        self.env = clean_env(
            PYTHONPATH=str(BASE_DIR / "sandbox"),
            DATABASE_URL=self.postgres.url,
            DATA_DIR=str(folder),
            SECRET_KEY=secrets.token_urlsafe(50),
            STRIPE_SANDBOX="1",
            STRIPE_API_BASE=self.sandbox,
            HOST="127.0.0.1",
            WEB_THREADS="16",
            DRAIN_SECONDS=str(DRAIN_SECONDS),
            LOG_LEVEL="WARNING",
        )

    def start(self, caddy: str) -> None:
        folder = self.folder
        prepare = [sys.executable, "-m", "kopeck.ops.prepare", str(folder / "admin-password")]
        subprocess.run(prepare, cwd=BASE_DIR, env=self.env, stdout=self.log, check=True, timeout=240)
        port = self.sandbox.rpartition(":")[2]
        self._start([sys.executable, "-m", "stripe_sandbox", "--memory", "--port", port], self.env)
        started = [self.start_web(number) for number in range(2)]
        door = self.start_caddy(caddy)
        for number, process in enumerate(started):
            wait_for(f"{self.web[number]}/readyz", 200, process)
        wait_for(f"{self.shop}/readyz", 200, door)

    def start_caddy(self, caddy: str) -> "subprocess.Popen[bytes]":
        upstreams = " ".join(address.removeprefix("http://") for address in self.web)
        return self._start(*caddy_here(caddy, self.folder, self.shop, upstreams))

    def _free(self) -> str:
        return f"http://127.0.0.1:{free_port()}"

    def _start(self, command: list[str], env: dict[str, str]) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(command, cwd=BASE_DIR, env=env, stdout=self.log, stderr=self.log)
        self.processes.append(process)
        return process

    def start_web(self, number: int, **more: str) -> "subprocess.Popen[bytes]":
        port = self.web[number].rpartition(":")[2]
        command = [sys.executable, "-m", "kopeck.ops.serve"]
        return self._start(command, {**self.env, "PORT": port, **more})

    def running_web(self, number: int) -> "subprocess.Popen[bytes]":
        return self.processes[1 + number]

    @property
    def door(self) -> "subprocess.Popen[bytes]":
        return self.processes[3]

    def close(self) -> None:
        for process in self.processes:
            for _ in range(2):  # the second one says: without draining
                if process.poll() is None:
                    process.send_signal(signal.SIGINT)
            process.wait(240)
        self.postgres.stop()
        self.log.close()
