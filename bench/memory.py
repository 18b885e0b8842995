"""What memory a web process needs: idle, and after many requests of all kinds.

`python -m bench.memory [REQUESTS]` asks a web server of a container's size, by sixteen connections, for what
buyers and machines ask for: mostly the window and items; of each hundred, a few order pages, buys, webhooks,
API calls and addresses that are not there. The last line is JSON: megabytes (PSS) before the first page, and
those after REQUESTS divided by those after a thousand.

The server has an image's packages alone, as `make bench` installs them: Stripe's library loads httpx wherever
it is, and the tests bring it. Where they are not installed, it has those of this environment.
"""

import json
import sys
from collections.abc import Iterator
from itertools import count, islice

from bench.servers import BASE_DIR, Shop, Unexpected, Web, Wire, get, memory_mb, shop, web

#: Its packages are those of an image.
ALONE = BASE_DIR / ".bench" / "alone" / "bin" / "python"
CONNECTIONS = 16
FIRST = 1000


def mix(cookies: list[str]) -> Iterator[bytes]:
    """Requests without end; of every hundred, two are buys of a new visitor, and four look at an order."""
    for number in count():
        place = number % 100
        if place in (10, 60):
            cookie = f"kopeck_visitor={number:043d}"
            yield get(f"/buy/{1 + number // 50 % 3}", cookie=cookie, sec_fetch_site="same-origin")
        elif place in (20, 40, 70, 90):
            yield get("/orders", cookie=cookies[number % len(cookies)])
        elif place == 30:
            yield get("/api/v1/items")
        elif place == 50:
            yield get(f"/nothing/{number}")
        elif place == 80:
            yield get("/healthz")
        elif place == 95:
            yield get("/webhooks/stripe/default", "POST", b'{"id": "evt_1"}', stripe_signature="t=1,v1=0")
        elif place == 97:
            yield get("/admin/login/")
        else:
            yield get("/" if place % 3 == 0 else f"/item/{1 + place % 3}")


def load(server: Web, requests: Iterator[bytes], number: int) -> dict[int, int]:
    """Sends so many, as many at a time as there are connections; how often each status came."""
    wires = [Wire(server.port) for _ in range(CONNECTIONS)]
    found: dict[int, int] = {}
    try:
        while number > 0:
            sent = wires[: min(number, CONNECTIONS)]
            for wire, request in zip(sent, islice(requests, len(sent)), strict=True):
                wire.send(request)
            for wire in sent:
                status = wire.receive().status
                found[status] = found.get(status, 0) + 1
            number -= len(sent)
    finally:
        for wire in wires:
            wire.close()
    return found


def measure(here: Shop, number: int) -> dict[str, float]:
    python = str(ALONE) if ALONE.exists() else ""
    with web(here.folder, here.env, python=python) as server:
        Wire(server.port).ask(get("/healthz"))
        figures = {"idle_mb": memory_mb(server.worker), "parent_mb": memory_mb(server.parent)}
        requests = mix([f"kopeck_visitor={place:043d}" for place in (10, 60, 110, 160)])
        load(server, requests, FIRST)
        first = memory_mb(server.worker)
        done, steps = FIRST, 10
        for step in range(1, steps + 1):
            until = FIRST + (number - FIRST) * step // steps
            statuses = load(server, requests, until - done)
            done = until
            now = memory_mb(server.worker)
            print(
                f"{done:>8} requests {now:7.1f} MB {now / first:6.3f}  {dict(sorted(statuses.items()))}",
                flush=True,
            )
            if wrong := statuses.keys() - {200, 400, 404}:
                raise Unexpected(f"bench.memory: statuses {wrong}")
    return figures | {"first_mb": first, "last_mb": now}


def main() -> int:
    number = int(sys.argv[1]) if sys.argv[1:] else 100_000
    with shop() as here:
        found = measure(here, number)
    for name, size in found.items():
        print(f"{name:<12}{size:7.1f} MB")
    growth = found["last_mb"] / found["first_mb"]
    print(json.dumps({"idle_mb": round(found["idle_mb"], 1), "memory_growth": round(growth, 3)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
