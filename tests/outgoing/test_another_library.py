"""A webhook as the shop sends it, checked by the library of another language: npm's `standardwebhooks`."""

import json
import shutil
import subprocess
from typing import Any

import pytest
from django.test import Client

from tests.outgoing.receiver import Receiver
from tests.support.buying import paid_order
from tests.support.lacking import lacks
from tests.support.shop import ShopSandbox
from tests.support.starting import BASE_DIR
from tests.support.worker import work

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
#: Where the library is kept once it was fetched; nothing of it is in the shop.
FOLDER = BASE_DIR / ".bench" / "npm" / "standardwebhooks"
PACKAGE = "standardwebhooks@1.1.1"
CHECK = """
const { Webhook } = require("standardwebhooks");
const { secret, headers, body } = JSON.parse(require("fs").readFileSync(0, "utf8"));
try { console.log(JSON.stringify(new Webhook(secret).verify(body, headers))); }
catch (refusal) { console.log(JSON.stringify({ refused: refusal.message })); }
"""


@pytest.fixture
def library() -> str:
    """The folder where Node finds it."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        lacks("npm")
    if not (FOLDER / "node_modules" / "standardwebhooks").exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        options = ["--no-save", "--no-package-lock", "--ignore-scripts", "--silent", "--prefix", str(FOLDER)]
        done = subprocess.run(["npm", "install", *options, PACKAGE], capture_output=True, timeout=120)
        if done.returncode:
            lacks("a registry that gives npm's standardwebhooks")
    return str(FOLDER)


def verify(library: str, **facts: Any) -> Any:
    done = subprocess.run(
        ["node", "-e", CHECK],
        cwd=library,
        input=json.dumps(facts),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_node_takes_what_the_shop_has_signed_and_nothing_else(
    library: str, sandbox: ShopSandbox, buyer: Client, deliver: Any, receiver: Receiver, endpoint: Any
) -> None:
    order = paid_order(sandbox, buyer, deliver)
    work()
    ((headers, body),) = receiver.got
    facts = {"secret": endpoint.secret, "headers": headers, "body": body.decode()}
    told = verify(library, **facts)
    assert (told["type"], told["data"]["order"]["id"]) == ("order.paid", order.pk)
    for changed in (
        {"body": facts["body"].replace("4820", "4821")},
        {"headers": {**headers, "webhook-id": "msg_other"}},
        {"headers": {**headers, "webhook-timestamp": str(int(headers["webhook-timestamp"]) - 600)}},
        {"secret": "whsec_" + "A" * 43 + "="},
    ):
        assert "refused" in verify(library, **{**facts, **changed})
