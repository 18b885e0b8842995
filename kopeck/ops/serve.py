"""The web server of a container: Granian with this shop's flags, drained before it is stopped.

`python -m kopeck.ops.serve` listens on HOST:PORT. SIGTERM first makes /readyz answer 503 and goes on serving
for DRAIN_SECONDS; only then does Granian stop, which finishes what is in flight. A balancer that asks /readyz
has long gone elsewhere by then, so no request is lost.
"""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from kopeck.configuration.env import env, env_int, made_folder
from kopeck.ops.starting import Refused, refuse_endless_redirects, require_free

DRAINING = "KOPECK_DRAINING"  # names the file whose presence says so, to every process of this server
#: glibc gives threads that meet heaps of their own; in a few, memory grew by 1 % where it grew by 5.
FEW_HEAPS = {"MALLOC_ARENA_MAX": "2"}
STOP_SECONDS = 20  # for what is in flight; a request to Stripe may take as long


def granian(
    host: str,
    port: int,
    *,
    workers: int = 1,
    threads: int = 64,
    patience: int = 5,
    respawn: bool = False,
    module: str = "kopeck.wsgi",
) -> list[str]:
    """The command line of the web server of `module`'s application. `patience`: seconds that requests in
    flight have at a stop.

    `respawn`: a worker that is killed is followed by another, while the others and the socket stay; one that
    ends again within seconds ends the server. Without it every death does.
    """
    listen = ["--host", host, "--port", str(port), "--http", "1", "--no-ws"]
    size = ["--workers", str(workers), "--blocking-threads", str(threads)]
    stop = ["--workers-kill-timeout", str(patience)]
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", *listen, *size, *stop]
    return [*command, *(["--respawn-failed-workers"] if respawn else []), f"{module}:application"]


def draining() -> bool:
    """Whether this server was asked to stop and still serves what reaches it."""
    file = os.environ.get(DRAINING)
    return file is not None and os.path.exists(file)


@dataclass(frozen=True)
class Server:
    """What the environment says of this web server."""

    host: str
    port: int
    workers: int
    threads: int
    drain_seconds: int


def read_server() -> Server:
    """Exits in a sentence where it could not listen, or nobody could use it."""
    server = Server(
        host=env("HOST", "127.0.0.1"),
        port=env_int("PORT", 8000, 1, 65535),
        workers=env_int("WEB_WORKERS", 1, 1, 256),
        threads=env_int("WEB_THREADS", 64, 1, 1000),
        drain_seconds=env_int("DRAIN_SECONDS", 5, 0, 3600),
    )
    try:
        refuse_endless_redirects(os.environ)
        require_free(server.host, "PORT", server.port)
    except Refused as refusal:
        sys.exit(f"kopeck: {refusal}")
    return server


def empty_metrics() -> None:
    """Removes the metrics of dead processes, which would be counted, and nothing else of that folder."""
    folder = made_folder("PROMETHEUS_MULTIPROC_DIR")
    for file in folder.glob("*.db") if folder else ():
        file.unlink(missing_ok=True)


def serve() -> int:
    """Run until asked to stop; the status that Granian ended with."""
    found = read_server()
    command = granian(
        found.host,
        found.port,
        workers=found.workers,
        threads=found.threads,
        patience=STOP_SECONDS,
        respawn=True,
    )
    empty_metrics()
    asked, hurried = threading.Event(), threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        if asked.is_set() or number == signal.SIGINT:
            hurried.set()
        asked.set()

    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, on_signal)
    with tempfile.TemporaryDirectory(prefix="kopeck-") as folder:
        note = Path(folder, "draining")
        env = {**FEW_HEAPS, **os.environ, DRAINING: str(note)}
        server = subprocess.Popen(command, env=env, start_new_session=True)
        while server.poll() is None and not asked.wait(0.5):
            pass
        note.touch()
        end = time.monotonic() + found.drain_seconds
        while server.poll() is None and time.monotonic() < end and not hurried.wait(0.1):
            pass
        server.terminate()
        return server.wait()


if __name__ == "__main__":
    sys.exit(serve())
