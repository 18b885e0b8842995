"""What a second `make run` costs until its first page: processor time of all its programs.

`python -m bench.start [ROUNDS]`: the first start, in an empty folder, makes the database and is not counted.
The last line is JSON: the median of the rounds that follow.
"""

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil

from bench.servers import BASE_DIR, Unexpected, Wire, cpu_of_tree_us, free_port, get


def start(folder: Path) -> float:
    """Seconds of processor of one start, to its first page; it is stopped then."""
    port = free_port()
    ports = {"PORT": str(port), "SANDBOX_PORT": str(free_port())}
    env = {**os.environ, "DATA_DIR": str(folder), "ENV_FILE": os.devnull, **ports}
    env.pop("DJANGO_SETTINGS_MODULE", None)
    run = subprocess.Popen(
        [sys.executable, "-m", "kopeck_local"], cwd=BASE_DIR, env=env, stdout=subprocess.PIPE, text=True
    )
    try:
        assert run.stdout is not None
        if not any("Ready in" in line for line in run.stdout):
            raise Unexpected("bench.start: make run did not become ready.")
        if Wire(port).ask(get("/")).status != 200:
            raise Unexpected("bench.start: the first page is no page.")
        return cpu_of_tree_us(psutil.Process(run.pid)) / 1e6
    finally:
        run.send_signal(signal.SIGINT)
        run.communicate()


def main() -> int:
    rounds = int(sys.argv[1]) if sys.argv[1:] else 5
    with tempfile.TemporaryDirectory(prefix="kopeck-bench-") as name:
        first, *others = [start(Path(name)) for _ in range(rounds + 1)]
    print(f"first start {first:.2f} s of processor; then {', '.join(f'{one:.2f}' for one in others)}")
    print(json.dumps({"second_start_cpu_s": round(statistics.median(others), 2)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
