"""A whole run at LOG_LEVEL=DEBUG and DEBUG=1, then a search for secrets in everything that it wrote.

Bought, declined, refunded, refused by Stripe, forged, broken: what logs, database and the admin's pages hold
afterwards is free of keys, client secrets, passwords, cookies and card numbers.
"""

import base64
import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
import requests
import stripe

from kopeck.stripe_api.accounts import SANDBOX_SECRET_KEY
from tests.support.starting import Started

DATABASE_PASSWORD = "the-password-of-the-database"
TYPED = "a-password-typed-wrong"
GOOD, DECLINED = "4242424242424242", "4000000000000002"


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """A database of its own in the tests' server, asked for with a password."""
    url, name = os.environ["DATABASE_URL"], f"run_{uuid4().hex[:12]}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]
        with_password = re.sub(r"://([^:@/]+)@", rf"://\1:{DATABASE_PASSWORD}@", url)
        yield re.sub(r"/[^/?]*(\?|$)", rf"/{name}\1", with_password, count=0)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[arg-type]


class Life:
    """What happens in the shop, and what must not be found of it."""

    def __init__(self, run: Started, data: Path, database: str) -> None:
        self.run, self.data, self.database = run, data, database
        self.shop = f"http://127.0.0.1:{run.port}"
        self.control = f"http://127.0.0.1:{run.sandbox_port}/_sandbox"
        self.visitor, self.admin = requests.Session(), requests.Session()
        self.secrets: dict[str, str] = {}
        self.pages: dict[str, str] = {}
        with psycopg.connect(database) as connection:
            row = connection.execute(
                "SELECT id FROM catalog_item WHERE currency = 'usd' ORDER BY price"
            ).fetchone()
        assert row
        self.item: int = row[0]

    def get(self, path: str, expected: int = 200, **more: Any) -> requests.Response:
        answer = self.visitor.get(f"{self.shop}{path}", timeout=240, **more)
        assert answer.status_code == expected, (path, answer.text[:2000])
        return answer

    def pay(self, what: str, card: str) -> None:
        requests.post(f"{self.control}/{what}/pay", json={"card": card}, timeout=240)

    def buy_by_checkout(self) -> None:
        self.get(f"/item/{self.item}?mine=1")
        session = self.get(f"/buy/{self.item}").json()["session_id"]
        self.pay(f"sessions/{session}", DECLINED)
        self.pay(f"sessions/{session}", GOOD)
        requests.post(f"{self.control}/webhooks/deliver", timeout=240)

    def buy_by_intent(self) -> None:
        """The way back has the client secret in its address, as Stripe writes it there."""
        intent = self.get(f"/intent/{self.item}").json()
        self.secrets["client secret"] = intent["client_secret"]
        self.pay(f"intents/{intent['payment_intent_id']}", DECLINED)
        self.pay(f"intents/{intent['payment_intent_id']}", GOOD)
        number = re.findall(r'href="/order/(\d+)', self.get("/orders").text)[0]
        back = {
            "payment_intent": intent["payment_intent_id"],
            "payment_intent_client_secret": intent["client_secret"],
        }
        self.pages["receipt"] = self.get(f"/order/{number}/return", params=back).text
        self.paid = number

    def break_stripe(self) -> None:
        requests.put(f"{self.control}/faults", json={"error_rate": 1}, timeout=240).raise_for_status()
        self.get(f"/buy/{self.item}", 503)
        self.get(f"/intent/{self.item}", 503)
        requests.put(f"{self.control}/faults", json={"error_rate": 0}, timeout=240).raise_for_status()

    def send_events(self) -> None:
        """One forged, one signed; both with client secrets in them."""
        inner = {"client_secret": "pi_3Forged_secret_InTheBody", "card": GOOD, "id": "pi_3Forged"}
        event = {"id": f"evt_{uuid4().hex}", "type": "payment_intent.succeeded", "object": "event",
                 "livemode": False, "data": {"object": {**inner, "nested": [inner]}}}  # fmt: skip
        body = json.dumps(event)
        signature = stripe.WebhookSignature.generate_signature_header(body, self.secrets["webhook-secret"])
        for header, status in ((signature, 200), ("t=1,v1=forged", 400)):
            answer = requests.post(
                f"{self.shop}/webhooks/stripe/default",
                body,
                headers={"Stripe-Signature": header},
                timeout=240,
            )
            assert answer.status_code == status, answer.text

    def form(self, path: str, expected: int, *, page: str = "", **fields: str) -> requests.Response:
        page = page or self.admin.get(f"{self.shop}{path}", timeout=240).text
        hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page))
        answer = self.admin.post(
            f"{self.shop}{path}", {**hidden, **fields}, timeout=240, allow_redirects=False
        )
        assert answer.status_code == expected, (path, answer.text[:2000])
        return answer

    def work_in_the_admin(self) -> None:
        password = self.secrets["admin's password"]
        self.form("/admin/login/", 200, username="admin", password=TYPED)
        self.form("/admin/login/", 302, username="admin", password=password)
        refund = f"/admin/orders/order/{self.paid}/refund/"
        preview = self.form(refund, 200, what="rest", action="preview").text
        self.form(refund, 302, page=preview, what="rest", action="refund")
        self.form(f"/admin/orders/order/{self.paid}/why/", 302, action="ask")
        self.look(
            f"orders/order/{self.paid}/why/", f"orders/order/{self.paid}/change/", "auth/user/1/change/"
        )
        tables = ["payments/payment", "webhooks/stripeevent", "refunds/refund", "axes/accessattempt"]
        for table in (*tables, "axes/accesslog", "procrastinate/procrastinatejob", "orders/order"):
            found = self.look(f"{table}/")
            links = dict.fromkeys(re.findall(rf'href="/admin/({table}/[\w-]+/change/)', found))
            assert links or table == "axes/accessattempt", table
            self.look(*links)

    def look(self, *paths: str) -> str:
        text = ""
        for path in paths:
            answer = self.admin.get(f"{self.shop}/admin/{path}", timeout=240)
            assert answer.status_code == 200, path
            self.pages[path] = text = answer.text
        return text

    def switch_a_second_factor_on(self) -> None:
        page = self.admin.get(f"{self.shop}/admin/second-factor/", timeout=240).text
        shown = re.search(r'data-testid="secret">([A-Z2-7 ]+)<', page)
        assert shown
        self.secrets["second factor"] = shown[1].replace(" ", "")
        self.secrets["second factor, as it is kept"] = base64.b32decode(self.secrets["second factor"]).hex()
        self.form("/admin/second-factor/", 200, action="confirm", token="000000")

    def break_the_shop(self) -> None:
        """Django's page for developers, from the middle of a purchase."""
        for table, path in (
            ("payments_payment", f"/buy/{self.item}"),
            ("catalog_item", f"/item/{self.item}"),
        ):
            with psycopg.connect(self.database, autocommit=True) as connection:
                connection.execute(f"ALTER TABLE {table} RENAME TO gone")  # type: ignore[arg-type]
                try:
                    answer = self.get(path, 500, params={"card": GOOD}, headers={"Accept": "text/html"})
                finally:
                    connection.execute(f"ALTER TABLE gone RENAME TO {table}")  # type: ignore[arg-type]
            assert "Traceback" in answer.text
            self.pages[f"{path}, broken"] = answer.text

    def dump(self) -> str:
        with psycopg.connect(self.database) as connection:
            found = connection.execute(
                "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
            ).fetchall()
            rows = [
                str(row)
                for (table,) in found
                for row in connection.execute(f'SELECT t::text FROM "{table}" t').fetchall()  # type: ignore[arg-type]
            ]
        return "\n".join(rows)


@pytest.fixture(scope="module")
def life(folder: Path, database: str) -> Iterator[Life]:
    data = folder / "data"
    loud = {"LOG_LEVEL": "DEBUG", "DEBUG": "1", "STRIPE_LOG": "debug"}
    run = Started(data, DATABASE_URL=database, **loud)
    try:
        run.wait_until_ready()
        life = Life(run, data, database)
        kept = {"SECRET_KEY": "secret-key", "webhook-secret": "webhook-secret", "EUR": "webhook-secret-eur",
                "admin's password": "admin-password"}  # fmt: skip
        life.secrets |= {name: (data / file).read_text().strip() for name, file in kept.items()}
        life.buy_by_checkout()
        life.buy_by_intent()
        life.break_stripe()
        life.send_events()
        life.work_in_the_admin()
        life.switch_a_second_factor_on()
        life.break_the_shop()
        cookies = {
            "session": life.admin.cookies["sessionid"],
            "visitor": life.visitor.cookies["kopeck_visitor"],
        }
        life.secrets |= cookies | {"password of the database": DATABASE_PASSWORD, "typed": TYPED}
        life.secrets |= {"secret key": SANDBOX_SECRET_KEY, "a card": GOOD, "a declined card": DECLINED}
        life.pages["database"] = life.dump()
        run.end(signal.SIGINT)
        for log in (data / "logs").iterdir():
            life.pages[log.name] = log.read_text()
        yield life
    finally:
        run.process.kill()
        run.process.wait()


#: What has to lie in the database, though its readers see it: sessions, and the secret of a second factor.
IN_THE_DATABASE = {"session", "second factor, as it is kept"}


def test_everything_that_was_searched_has_something_in_it(life: Life) -> None:
    """Or the next test would find nothing for another reason."""
    assert "urllib3.connectionpool" in life.pages["web.log"]
    assert "DEBUG" in life.pages["worker.log"]
    assert len(life.pages) > 25
    assert "payment_intent.succeeded" in life.pages["database"]
    assert life.secrets["second factor, as it is kept"] in life.pages["database"]
    assert "refunded" in life.pages["database"]


def test_no_secret_is_in_any_of_it(life: Life) -> None:
    found = [
        f"{name} in {place}"
        for place, text in life.pages.items()
        for name, secret in life.secrets.items()
        if secret in text and not (place == "database" and name in IN_THE_DATABASE)
    ]
    assert found == []


def test_nothing_in_it_even_looks_like_a_secret(life: Life) -> None:
    shapes = re.compile(r"\b(?:[sr]k_(?:test|live)_\w+|whsec_\w+|(?:pi|cs|seti)_\w+_secret_\w+)")
    found = {f"{match} in {place}" for place, text in life.pages.items() for match in shapes.findall(text)}
    assert found == set()
