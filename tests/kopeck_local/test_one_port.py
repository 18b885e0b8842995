"""Where browsers find shop and sandbox: here, in an editor in the browser, and in the demo."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from kopeck_local.demo import next_reset, read_hour
from kopeck_local.place import Place, read_place, shop_env
from tests.support.starting import run_to_end

CODESPACE = {"CODESPACE_NAME": "blue-door", "GITHUB_CODESPACES_PORT_FORWARDING_DOMAIN": "app.github.dev"}
GITPOD = {"GITPOD_WORKSPACE_URL": "https://kopeck-shop-1.ws-eu1.gitpod.io"}
NAMES = (*CODESPACE, *GITPOD, "HOST", "PORT", "SANDBOX_PORT", "SITE_URL", "TRUSTED_PROXIES", "ONE_PORT")


@pytest.fixture
def place_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    monkeypatch.setenv("ENV_FILE", "/dev/null")

    def place(**env: str) -> Place:
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        return read_place()

    return place


def addresses(place: Place) -> tuple[str, str, str]:
    """Of the shop as it is set, of the sandbox for browsers, and for the shop itself."""
    env = shop_env(place, None)
    return env.get("SITE_URL", ""), env["SANDBOX_URL"], env["STRIPE_API_BASE"]


def test_on_a_machine_of_ones_own_each_has_a_port(place_of) -> None:  # type: ignore[no-untyped-def]
    place = place_of()
    assert not place.one_port
    assert addresses(place) == ("", "http://127.0.0.1:8420", "http://127.0.0.1:8420")


@pytest.mark.parametrize(
    ("env", "address"),
    [
        (CODESPACE, "https://blue-door-8000.app.github.dev"),
        (GITPOD, "https://8000-kopeck-shop-1.ws-eu1.gitpod.io"),
    ],
    ids=["Codespaces", "Gitpod"],
)
def test_an_editor_in_the_browser_shows_both_at_the_shop_s_forwarded_port(  # type: ignore[no-untyped-def]
    place_of, env: dict[str, str], address: str
) -> None:
    place = place_of(**env)
    assert place.one_port
    assert addresses(place) == (address, f"{address}/stripe", "http://127.0.0.1:8420")
    assert place.env["TRUSTED_PROXIES"] == "127.0.0.0/8,::1/128"


def test_what_the_owner_sets_wins_over_the_forwarded_address(place_of) -> None:  # type: ignore[no-untyped-def]
    place = place_of(**CODESPACE, SITE_URL="https://shop.example", ONE_PORT="0")
    assert addresses(place) == ("https://shop.example", "http://127.0.0.1:8420", "http://127.0.0.1:8420")


def test_the_next_reset_is_today_or_tomorrow_at_its_hour() -> None:
    three = read_hour("03:00")
    day = datetime(2026, 11, 30, tzinfo=UTC)
    assert next_reset(three, day.replace(hour=2, minute=59)) == day.replace(hour=3)
    assert next_reset(three, day.replace(hour=3)) == datetime(2026, 12, 1, 3, tzinfo=UTC)


@pytest.mark.parametrize("text", ["25:00", "three", "3", "03:60", ""])
def test_an_hour_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="an hour such as 03:00"):
        read_hour(text)


def test_the_demo_is_for_the_sandbox_alone(tmp_path: Path) -> None:
    ended = run_to_end(DEMO="1", DATA_DIR=str(tmp_path), STRIPE_SECRET_KEY="sk_test_1", PORT="1025")
    assert ended.returncode == 1
    assert "DEMO=1 is for the local Stripe alone" in ended.stderr
