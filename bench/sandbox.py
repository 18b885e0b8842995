"""What reading an object costs the local Stripe that holds very many of them.

`python -m bench.sandbox [OBJECTS]`: one session is made by the API, copied until there are OBJECTS, and
sessions are read one by one then. The last line is JSON: milliseconds of the sandbox's processor for one.
"""

import json
import secrets
import statistics
import sys
import tempfile
from pathlib import Path

import requests

from bench.servers import BASE_DIR, KEY, Unexpected, Wire, cpu_us, get, local_stripe

ROUNDS, READS = 5, 200


def fill(file: Path, session: str, number: int) -> list[str]:
    """The ids of copies of a session: what lists find it by, and when it expires, as of any other."""
    sys.path.insert(0, str(BASE_DIR / "sandbox"))  # a distribution of its own, which nobody has installed
    from stripe_sandbox.core.store import Store

    store = Store(str(file))
    try:
        account, found = store.find("checkout.session", session) or ("", {})
        ids = [f"cs_test_{secrets.token_hex(24)}" for _ in range(number)]
        with store.transaction():
            for one in ids:
                store.insert(account, {**found, "id": one, "url": f"http://127.0.0.1/c/pay/{one}"})
    finally:
        store.close()
    return ids


def read(port: int, ids: list[str]) -> None:
    wire = Wire(port)
    for one in ids:
        answer = wire.ask(get(f"/v1/checkout/sessions/{one}", authorization=f"Bearer {KEY}"))
        if answer.status != 200 or answer.json()["id"] != one:
            raise Unexpected(f"bench.sandbox: {answer.status} for {one}")
    wire.close()


def create(stripe_url: str) -> str:
    line = "line_items[0][price_data]"
    asked = {
        "mode": "payment",
        "success_url": "http://127.0.0.1/",
        f"{line}[currency]": "usd",
        f"{line}[unit_amount]": "4820",
        f"{line}[product_data][name]": "Moka pot",
        "line_items[0][quantity]": "1",
    }
    answer = requests.post(f"{stripe_url}/v1/checkout/sessions", asked, auth=(KEY, ""), timeout=30)
    answer.raise_for_status()
    return str(answer.json()["id"])


def main() -> int:
    number = int(sys.argv[1]) if sys.argv[1:] else 100_000
    with tempfile.TemporaryDirectory(prefix="kopeck-bench-") as name:
        folder = Path(name)
        with local_stripe(folder) as (url, _process):
            session = create(url)
        ids = fill(folder / "sandbox.sqlite3", session, number)
        with local_stripe(folder) as (url, process):
            port = int(url.rpartition(":")[2])
            read(port, ids[:READS])
            costs = []
            for turn in range(ROUNDS):
                before = cpu_us(process)
                read(port, ids[turn :: len(ids) // READS][:READS])
                costs.append((cpu_us(process) - before) / READS / 1000)
    print(f"{number:,} sessions: a read {', '.join(f'{one:.2f}' for one in costs)} ms")
    print(json.dumps({"sandbox_read_ms": round(statistics.median(costs), 2)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
