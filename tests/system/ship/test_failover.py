"""The PostgreSQL of a selling shop burns; its synchronous standby goes on, and no paid order is lost."""

import logging
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from kopeck.ops.serve import granian
from tests.support.starting import BASE_DIR
from tests.system.ship.buyers import Buyers, await_purchases, charged, orders_paid
from tests.system.ship.many import SECRET
from tests.system.ship.servers import Servers, wait_for
from tests.system.ship.standby import Pair

log = logging.getLogger(__name__)
BUYERS, BEFORE, AFTER = 4, 12, 12


class Shop(Servers):
    """One web server and one worker, whose DATABASE_URL names both servers of the pair."""

    def __init__(self, folder: Path) -> None:
        self.pair = Pair(folder)
        super().__init__(folder, self.pair)
        self.env |= {"STRIPE_WEBHOOK_SECRET": SECRET, "BUDGET_VISITOR": "0", "BUDGET_ADDRESS": "0"}
        self.shop = self.web[0]

    def start_all(self) -> None:
        prepare = [sys.executable, "-m", "kopeck.ops.prepare", str(self.folder / "admin-password")]
        subprocess.run(prepare, cwd=BASE_DIR, env=self.env, stdout=self.log, check=True, timeout=240)
        words = ["--memory", "--port", self.sandbox.rpartition(":")[2]]
        words += ["--webhook", f"{self.shop}/webhooks/stripe/default={SECRET}"]
        self._start([sys.executable, "-m", "stripe_sandbox", *words], self.env)
        port = int(self.shop.rpartition(":")[2])
        self.server = self._start(granian("127.0.0.1", port, threads=16), self.env)
        self.worker = self._start([sys.executable, "manage.py", "worker"], self.env)
        wait_for(f"{self.shop}/readyz", 200, self.server)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    started = Shop(tmp_path)
    try:
        started.start_all()
        yield started
    finally:
        started.close()


def test_a_primary_that_is_lost_for_good_costs_no_paid_order(shop: Shop) -> None:
    buyers = Buyers(shop, BUYERS)
    with buyers:
        await_purchases(buyers, BEFORE)
        shop.pair.lose_the_first()
        lost = time.monotonic()
        shop.pair.promote()
        await_purchases(buyers, 1)
        away = time.monotonic() - lost
        await_purchases(buyers, AFTER)
    log.info("from the loss of the primary to the next purchase: %.1f s", away)
    assert away < 120
    sold = sorted(buyers.paid)
    assert len(sold) == len(set(sold))
    assert orders_paid(shop, shop.pair.url, sold) == sold
    assert charged(shop) == sold
    assert shop.server.poll() is None
    assert shop.worker.poll() is None
    assert receipts_of(shop, len(sold)) == len(sold)


def receipts_of(shop: Shop, wanted: int) -> int:
    """How many receipts the same worker has sent, once all are: within four minutes."""
    asked = "SELECT count(*) FROM mail_mail WHERE kind = 'receipt' AND status = 'sent'"
    # Five minutes later: who was sending when the primary died has its lease no more.
    later = "UPDATE mail_mail SET lease_until = now() WHERE lease_until > now() + interval '1 minute'"
    deadline = time.monotonic() + 240
    with psycopg.connect(shop.pair.url, autocommit=True) as connection:
        connection.execute(later)
        while True:
            (sent,) = connection.execute(asked).fetchone() or (0,)
            if sent >= wanted or time.monotonic() > deadline:
                return int(sent)
            time.sleep(0.2)
