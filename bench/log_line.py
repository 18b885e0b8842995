"""What a request pays for being named and counted, and for its JSON line.

`python -m bench.log_line [ROUNDS]`: the middleware `logs.Requests` around a view that does nothing, with and
without the line, less the view alone; counted into a shared folder, as the image does. It is CPU time of this
thread, the least of many rounds: other work can only make a round dearer. The last line is JSON.
"""

import json
import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

#: Requests of one round.
EACH = 1000


def cheapest(work: Callable[[], object], rounds: int) -> float:
    """Microseconds of CPU for one call, in the round that took least."""
    spent = []
    for _ in range(rounds):
        began = time.thread_time_ns()
        for _ in range(EACH):
            work()
        spent.append(time.thread_time_ns() - began)
    return min(spent) / EACH / 1000


def prices(rounds: int) -> dict[str, float]:
    """Microseconds: `counted` (named and counted, no line), `line` (besides) and `scrubbed` of that."""
    from django.http import HttpRequest, HttpResponse
    from django.test import RequestFactory
    from django.urls import resolve

    from kopeck.telemetry import logs, redaction

    request = RequestFactory().get("/item/17?key=a-secret-of-an-order")
    request.resolver_match = resolve("/item/17")
    answer = HttpResponse()

    def view(request: HttpRequest) -> HttpResponse:
        return answer

    watched = logs.Requests(view)
    alone = cheapest(lambda: view(request), rounds)
    logs.access_log.setLevel(logging.WARNING)
    counted = cheapest(lambda: watched(request), rounds)
    logs.access_log.setLevel(logging.INFO)
    whole = cheapest(lambda: watched(request), rounds)
    scrubbed = cheapest(lambda: redaction.scrub("GET /item/17 200 in 8.4 ms"), rounds)
    return {"counted": counted - alone, "line": whole - counted, "scrubbed": scrubbed}


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(
            DJANGO_SETTINGS_MODULE="kopeck.settings",
            ENV_FILE=os.devnull,
            SECRET_KEY="of this measurement only, and long enough for it",
            STRIPE_SANDBOX="1",
            LOG_FORMAT="json",
            DATABASE_URL="postgresql://127.0.0.1:1/nowhere",
            PROMETHEUS_MULTIPROC_DIR=folder,
        )
        # The lines go into a file, by one write each, as a container's output takes them.
        with (Path(folder) / "lines").open("w", buffering=1) as lines:
            sys.stderr = lines
            try:
                import django

                django.setup()
                found = prices(rounds)
            finally:
                sys.stderr = sys.__stderr__
        written = (Path(folder) / "lines").read_text().splitlines()
    if len(written) != rounds * EACH or "a-secret" in written[-1]:
        sys.exit(f"{len(written)} lines for {rounds * EACH} requests; the last: {written[-1:]}")
    print(f"named and counted {found['counted']:.1f} µs; its line {found['line']:.1f} µs more,")
    print(f"of which looking for secrets {found['scrubbed']:.1f} µs")
    print(json.dumps({name: round(value, 2) for name, value in found.items()}))


if __name__ == "__main__":
    main()
