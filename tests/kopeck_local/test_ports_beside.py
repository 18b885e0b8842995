"""Which ports a command beside `make run` takes for those of the shop."""

from pathlib import Path

import pytest

from kopeck_local.place import ADDRESS, read_place


@pytest.fixture
def left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A shop was started on 8700, whatever `.env` says."""
    (tmp_path / ADDRESS).write_text("HOST=127.0.0.1\nPORT=8700\nSANDBOX_PORT=8720\n")
    (tmp_path / "env").write_text("PORT=9000\n")
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    monkeypatch.setenv("ENV_FILE", str(tmp_path / "env"))
    for name in ("HOST", "PORT", "SANDBOX_PORT"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_a_command_asks_where_the_shop_was_started_and_not_what_env_says(left: Path) -> None:
    place = read_place(beside=True)
    assert (place.port, place.sandbox_port) == (8700, 8720)


def test_the_environment_of_the_command_itself_wins(left: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANDBOX_PORT", "8800")
    place = read_place(beside=True)
    assert (place.port, place.sandbox_port) == (8700, 8800)


def test_a_start_goes_by_env_and_forgets_the_last_one(left: Path) -> None:
    place = read_place()
    assert (place.port, place.sandbox_port) == (9000, 8420)
