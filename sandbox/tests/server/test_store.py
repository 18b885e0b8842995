"""The store's promises that no answer shows: what is told after a commit, and settings."""

from collections.abc import Iterator
from contextlib import suppress

import pytest

from stripe_sandbox.core.store import Store


@pytest.fixture
def store() -> Iterator[Store]:
    store = Store()
    yield store
    store.close()


def test_a_setting_that_is_rolled_back_is_forgotten(store: Store) -> None:
    store.set_setting("rate", 1)

    def change() -> None:
        with store.transaction():
            store.set_setting("rate", 2)
            assert store.setting("rate") == 2
            raise RuntimeError

    with pytest.raises(RuntimeError):
        change()
    assert store.setting("rate") == 1
    store.clear()
    assert store.setting("rate", "none") == "none"


def test_what_a_setting_holds_is_a_copy(store: Store) -> None:
    store.set_setting("sums", {"usd": 1})
    store.setting("sums")["usd"] = 2
    assert store.setting("sums") == {"usd": 1}


def test_what_waits_for_a_commit_waits_until_nobody_is_alone_any_more(store: Store) -> None:
    told: list[str] = []
    with store.alone():
        with store.transaction():
            store.on_commit(lambda: told.append("kept"))
        with suppress(RuntimeError), store.transaction():
            store.on_commit(lambda: told.append("rolled back"))
            raise RuntimeError
        assert told == []
    assert told == ["kept"]
    with store.transaction(), store.alone():
        store.on_commit(lambda: told.append("later"))
    assert told == ["kept", "later"]
