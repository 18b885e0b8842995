"""Whatever is slow and needs no database is done while this request holds no connection of the pool."""

import io
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import segno
from django.contrib.auth.models import User
from django.core import mail
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.mail.backends import locmem
from django.db import connection
from django.test import Client
from PIL import Image

from kopeck.catalog import pictures
from kopeck.catalog.models import Item
from kopeck.mail import jobs as mail_jobs
from kopeck.mail.models import Mail
from tests.support.buying import paid_order
from tests.support.shop import ShopSandbox, make_item

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _media(settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether a connection was held, each time that something slow began."""
    found: list[bool] = []

    def watch(owner: Any, name: str) -> None:
        does_it = getattr(owner, name)

        def watched(*words: Any, **more: Any) -> Any:
            found.append(connection.connection is not None)
            return does_it(*words, **more)

        monkeypatch.setattr(owner, name, watched)

    watch(Image, "open")
    watch(Image.Image, "save")
    watch(segno, "make")
    watch(locmem.EmailBackend, "send_messages")
    return found


def upload(content: bytes = b"") -> dict[str, Any]:
    if not content:
        out = io.BytesIO()
        Image.new("RGB", (1200, 900), "#A94F24").save(out, "PNG")
        content = out.getvalue()
    facts = {"name": "Mug", "price": "12.50", "currency": "eur", "active": "on", "position": 3}
    return {**facts, "image": SimpleUploadedFile("mug.png", content)}


@pytest.mark.parametrize("change", [False, True])
def test_no_connection_is_held_while_a_picture_is_decoded_and_written(
    owner: Client, held: list[bool], change: bool
) -> None:
    address = f"/admin/catalog/item/{make_item().pk}/change/" if change else "/admin/catalog/item/add/"
    form = upload()
    held.clear()
    assert owner.post(address, form).status_code == 302
    assert held == [False] * 3  # opened, and written in two sizes
    assert Item.objects.get(name="Mug").image_url


def test_nor_while_a_file_that_is_no_picture_is_found_out(owner: Client, held: list[bool]) -> None:
    answer = owner.post("/admin/catalog/item/add/", upload(b"GIF89a no picture"))
    assert "picture that we can read" in answer.content.decode()
    assert held == [False]
    assert not Item.objects.exists()


def test_one_picture_is_decoded_at_a_time_and_the_others_wait_or_are_told_to_come_back(
    owner: Client, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.WEB_THREADS = 16  # one decodes, two wait
    pictures._decoders.cache_clear()
    decoding, most = threading.Lock(), []
    go = threading.Event()
    shrink = pictures.shrink

    def slow(file: Any) -> Any:
        most.append(decoding.acquire(blocking=False))
        assert go.wait(240)
        decoding.release()
        return shrink(file)

    def post(_number: int) -> int:
        client = Client()
        client.force_login(User.objects.get())
        answer = client.post("/admin/catalog/item/add/", upload())
        connection.close()
        return int(answer.status_code)

    monkeypatch.setattr(pictures, "shrink", slow)
    try:
        with ThreadPoolExecutor(6) as pool:
            asked = [pool.submit(post, number) for number in range(6)]
            while sum(each.done() for each in asked) < 3:
                time.sleep(0.01)
            go.set()
            assert sorted(each.result(240) for each in asked) == [302] * 3 + [429] * 3
    finally:
        pictures._decoders.cache_clear()
    assert most == [True] * 3
    assert Item.objects.count() == 3


def test_nor_while_the_code_of_the_second_factor_is_drawn(owner: Client, held: list[bool]) -> None:
    assert b"<svg" in owner.get("/admin/second-factor/").content
    assert held == [False]


def test_nor_while_a_mail_is_sent(
    sandbox: ShopSandbox, buyer: Client, deliver: Any, held: list[bool]
) -> None:
    paid_order(sandbox, buyer, deliver)
    assert mail_jobs.deliver(Mail.objects.get().pk) is True
    assert held == [False]
    assert len(mail.outbox) == 1
