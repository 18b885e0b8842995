"""No connection is held while a password is hashed, for a log-in or else; and few are hashed at a time."""

import hashlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test import Client

from kopeck import settings as real
from kopeck.database.slow import Few
from kopeck.errors import ShopError
from kopeck.staff import hashing

PASSWORD, NEW = "correct horse battery", "staple of another sort"
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _real_hasher(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shop's own, with fewer rounds: what is asked is what is held meanwhile."""
    settings.PASSWORD_HASHERS = real.PASSWORD_HASHERS
    monkeypatch.setattr(hashing.Hasher, "iterations", 1000)
    settings.AXES_ENABLED = True


@pytest.fixture
def anna() -> User:
    return User.objects.create_superuser("anna", password=PASSWORD)


@pytest.fixture
def desk(anna: User) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(anna)
    return client


def log_in(name: str, password: str) -> Callable[[Client], Any]:
    return lambda client: Client(raise_request_exception=False).post(
        "/admin/login/", {"username": name, "password": password}
    )


def change_ones_own(client: Client) -> Any:
    new = {"new_password1": NEW, "new_password2": NEW}
    return client.post("/admin/password_change/", {"old_password": PASSWORD, **new})


def change_anothers(client: Client) -> Any:
    other = User.objects.create_user("boris")
    new = {"password1": NEW, "password2": NEW, "usable_password": "true"}
    return client.post(f"/admin/auth/user/{other.pk}/password/", {**new, "set-password": "1"})


def add_a_user(client: Client) -> Any:
    new = {"username": "vera", "password1": NEW, "password2": NEW, "usable_password": "true"}
    return client.post("/admin/auth/user/add/", new)


@pytest.mark.parametrize(
    ("ask", "status", "hashes"),
    [
        (log_in("nobody", "wrong"), 200, 1),
        (log_in("anna", "wrong"), 200, 1),
        (log_in("anna", PASSWORD), 302, 1),
        (change_ones_own, 302, 2),
        (change_anothers, 302, 1),
        (add_a_user, 302, 1),
    ],
    ids=["unknown name", "wrong password", "right password", "own password", "another's", "new user"],
)
def test_no_connection_is_held_while_a_password_is_hashed(
    desk: Client, monkeypatch: pytest.MonkeyPatch, ask: Callable[[Client], Any], status: int, hashes: int
) -> None:
    held: list[bool] = []
    hash_it = hashlib.pbkdf2_hmac

    def watched(*words: Any) -> bytes:
        held.append(connection.connection is not None)
        return hash_it(*words)

    monkeypatch.setattr(hashlib, "pbkdf2_hmac", watched)
    answer = ask(desk)
    assert answer.status_code == status, answer.content.decode()
    assert held == [False] * hashes


def test_who_was_added_logs_in_by_the_password_that_was_given(desk: Client) -> None:
    assert add_a_user(desk).status_code == 302
    vera = User.objects.get(username="vera")
    assert vera.password.startswith("pbkdf2_sha256$")
    assert vera.check_password(NEW)
    assert not vera.check_password("")


@pytest.mark.parametrize(
    "wrong",
    [
        {"password2": "another"},
        {"password1": "", "password2": ""},
        {"password1": "short", "password2": "short"},
        {"username": "anna"},
    ],
)
def test_a_new_user_with_something_wrong_is_not_added(desk: Client, wrong: dict[str, str]) -> None:
    new = {"username": "vera", "password1": NEW, "password2": NEW, "usable_password": "true", **wrong}
    answer = desk.post("/admin/auth/user/add/", new)
    assert answer.status_code == 200
    assert "Please correct the error" in answer.content.decode()
    assert User.objects.count() == 1


def test_a_new_user_without_a_password_cannot_log_in_by_one(desk: Client) -> None:
    assert (
        desk.post("/admin/auth/user/add/", {"username": "vera", "usable_password": "false"}).status_code
        == 302
    )
    assert not User.objects.get(username="vera").has_usable_password()


def test_few_are_let_in_few_wait_and_the_rest_are_refused_at_once(settings: Any) -> None:
    settings.WEB_THREADS = 16  # two of them hash, two wait
    few = Few(at_once=5, patience=60)
    go, inside = threading.Event(), threading.Semaphore(0)

    def hash_one() -> str:
        try:
            with few.turn():
                inside.release()
                assert go.wait(240)
            return "done"
        except ShopError as refusal:
            return f"refused: {refusal.status} {refusal.code}, {refusal.retry_after}"

    with ThreadPoolExecutor(9) as pool:
        asked = [pool.submit(hash_one) for _ in range(9)]
        assert inside.acquire(timeout=240)
        assert inside.acquire(timeout=240)
        while sum(each.done() for each in asked) < 5:  # while nobody is done
            time.sleep(0.01)
        go.set()
        assert sorted(each.result(240) for each in asked) == ["done"] * 4 + ["refused: 429 busy, 60"] * 5
    with few.turn():
        pass


def test_who_waits_too_long_is_refused_and_keeps_nobodys_place(settings: Any) -> None:
    settings.WEB_THREADS = 8
    few = Few(at_once=1, patience=0.05)
    with few.turn():
        for _ in range(3):
            with pytest.raises(ShopError), few.turn():
                pass
    with few.turn():
        pass


def test_a_log_in_that_finds_no_room_is_told_when_to_come_back(
    anna: User, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.WEB_THREADS = 8
    few = Few(at_once=1, patience=0.05)
    monkeypatch.setattr(hashing, "_hashers", lambda: few)
    with few.turn():
        answer = log_in("anna", PASSWORD)(Client())
    assert answer.status_code == 429
    assert int(answer["Retry-After"]) >= 1
    assert "Many ask for this at the moment" in answer.content.decode()
    assert log_in("anna", PASSWORD)(Client()).status_code == 302


def test_a_script_may_hash_in_a_transaction() -> None:
    with transaction.atomic():
        assert User.objects.create_user("boris", password=make_password(NEW)).pk
