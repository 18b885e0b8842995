"""Three web servers and three workers on one PostgreSQL, killed in turn while people buy.

What a kill may cost is what the killed server was answering at that moment, and nothing else.
"""

import socket
import threading
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.support.lacking import lacks
from tests.system.ship.buyers import Buyers, await_purchases, charged, orders_paid
from tests.system.ship.many import SHARED, Machines, find_pgbouncer
from tests.system.ship.servers import CADDY, find_caddy, status, wait_for

MACHINES, BUYERS, BUYS_BETWEEN_KILLS = 3, 5, 4


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    caddy, pgbouncer = find_caddy() or lacks(CADDY), find_pgbouncer() or lacks("pgbouncer")
    started = Machines(tmp_path_factory.mktemp("machines"), MACHINES)
    try:
        started.start_all(caddy, pgbouncer)
        yield started
    finally:
        started.close()


#: Seconds in which Caddy may still send by a connection that it has kept to a dead server, where the machine
#: is too busy for it to read that it was closed: its health check asks once a second.
UNNOTICED = 1.0


def kill_all_in_turn(machines: Machines, buyers: Buyers) -> list[tuple[float, float]]:
    """One web server and one worker of each machine, while purchases go on.

    From when to when each web server died: on a busy machine its processes take a moment.
    """
    killed = []
    for number in range(MACHINES):
        await_purchases(buyers, BUYS_BETWEEN_KILLS)
        began = time.monotonic()
        machines.kill(machines.webs[number])
        await_silence(machines.web[number])
        killed.append((began, time.monotonic()))
        machines.kill(machines.workers[number])
        await_purchases(buyers, BUYS_BETWEEN_KILLS)  # by the two that are left
        machines.webs[number] = machines.start_one(number)
        machines.workers[number] = machines.start_worker()
        wait_for(f"{machines.web[number]}/readyz", 200, machines.webs[number])
    await_purchases(buyers, BUYS_BETWEEN_KILLS)
    return killed


def await_silence(address: str) -> None:
    """Until nothing listens there any more."""
    place = urlsplit(address)
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        with socket.socket() as tried:
            if tried.connect_ex((place.hostname, place.port)):
                return
        time.sleep(0.01)
    raise AssertionError(f"{address} outlives its killing")


def test_three_machines_killed_in_turn_lose_no_order(machines: Machines) -> None:
    buyers = Buyers(machines, BUYERS)
    with buyers:
        killed = kill_all_in_turn(machines, buyers)
    at_the_kill = [
        any(began <= dead + UNNOTICED and dying <= ended for dying, dead in killed)
        for began, ended, _ in buyers.failures
    ]
    assert all(at_the_kill), buyers.failures
    assert len(buyers.failures) <= BUYERS * MACHINES
    assert len(buyers.paid) == len(set(buyers.paid))
    assert orders_paid(machines, machines.postgres.url, buyers.paid) == sorted(buyers.paid)
    assert charged(machines) == sorted(buyers.paid)


def test_all_web_servers_share_a_few_connections(machines: Machines) -> None:
    """PostgreSQL sees those of PgBouncer, however many threads the web servers have."""
    asked = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE '%pgbouncer%'"
    post_many = [threading.Thread(target=status, args=(f"{machines.shop}/orders",)) for _ in range(60)]
    for thread in post_many:
        thread.start()
    for thread in post_many:
        thread.join()
    with psycopg.connect(machines.postgres.url, autocommit=True) as connection:
        (held,) = connection.execute(asked).fetchone() or (0,)
    assert 1 <= held <= SHARED
