"""Each setting of `.env.example` with ten and more wrong values: refused in one sentence, or corrected."""

import itertools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.http import HttpRequest
from django.test import override_settings

from tests.configuration.reading import Reader
from tests.configuration.test_env_example import listed
from tests.configuration.wrong_values import HOSTS, KEYS, LIVE, OF_DOCKER, ROWS, SITES
from tests.support.depth import DEEP
from tests.support.starting import BASE_DIR, clean_env

ENOUGH = 10
#: Of a row's wrong values, in `make test`; `make test-all` tries them all.
SOME = 5


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    with Reader(tmp_path_factory.mktemp("data")) as started:
        yield started


def test_every_setting_has_a_row_of_ten_wrong_values() -> None:
    assert set(ROWS) | OF_DOCKER == listed()
    assert [name for name, row in ROWS.items() if len(set(row.wrong)) < ENOUGH] == []


@pytest.mark.random
@pytest.mark.parametrize("name", ROWS)
def test_a_wrong_value_is_refused_in_one_sentence_that_names_the_setting(name: str, reader: Reader) -> None:
    row, bad = ROWS[name], []
    for by, value in itertools.product(row.by, row.wrong if DEEP else row.wrong[:SOME]):
        answer = reader.read(by, [], **{**row.beside, name: value})
        said = answer["said"]
        is_sentence = (
            said.startswith(("kopeck: ", name)) and len(said.splitlines()) == 1 and said.endswith(".")
        )
        if answer["code"] != 1 or not is_sentence or name not in said or "w0rd" in said or len(said) > 300:
            bad.append((by, value[:60], said[-300:]))
    assert bad == []


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row.corrected])
def test_a_value_that_only_looks_wrong_is_corrected(name: str, reader: Reader) -> None:
    row, bad = ROWS[name], []
    for by, (value, expected) in itertools.product(row.by, row.corrected.items()):
        answer = reader.read(by, [name], **{**row.beside, name: value})
        if answer["code"] or answer["settings"][name] != expected:
            bad.append((by, value, answer))
    assert bad == []


#: Each is good alone; together they cannot work.
CONTRADICTIONS = [
    (
        {"SITE_URL": "https://www.shop.example", "DOMAIN": "shop.example"},
        "SITE_URL leads to www.shop.example, and",
    ),
    (
        {"SITE_URL": "http://shop.example", "DOMAIN": "shop.example"},
        "SITE_URL begins with http://, and a shop",
    ),
    ({"EMAIL_USE_TLS": "1", "EMAIL_USE_SSL": "1"}, "EMAIL_USE_TLS and EMAIL_USE_SSL exclude each other"),
    (
        {"EMAIL_HOST": "smtp.example", "EMAIL_HOST_USER": "a"},
        "EMAIL_HOST_USER and EMAIL_HOST_PASSWORD go together",
    ),
    (
        {"EMAIL_HOST": "smtp.example", "EMAIL_HOST_PASSWORD": "a"},
        "EMAIL_HOST_USER and EMAIL_HOST_PASSWORD go",
    ),
    ({"EMAIL_HOST_USER": "a", "EMAIL_HOST_PASSWORD": "a"}, "EMAIL_HOST_USER is set, but EMAIL_HOST names no"),
    (
        {"STRIPE_API_BASE": "https://api.stripe.com"},
        "STRIPE_SANDBOX is on, but STRIPE_API_BASE is Stripe itself",
    ),
    ({**LIVE, "SECRET_KEY": "changeme"}, "SECRET_KEY should have 32 letters or more with live keys"),
    (
        {**LIVE, "STRIPE_JS_URL": "http://127.0.0.1/v3/"},
        "The live key of account default would be used by the script",
    ),
    ({**LIVE, "STRIPE_API_BASE": "http://127.0.0.1"}, "The live key of account default would be sent to"),
    ({**LIVE, "STRIPE_SANDBOX": "1"}, "The live key of account default must not be used with STRIPE_SANDBOX"),
    ({**LIVE, "DEBUG": "1"}, "The live key of account default must not be used with DEBUG on"),
    (
        {**KEYS, "STRIPE_PUBLISHABLE_KEY": "pk_live_a"},
        "STRIPE_SECRET_KEY and STRIPE_PUBLISHABLE_KEY differ in mode",
    ),
    ({"STRIPE_SANDBOX": "0"}, "No Stripe keys are set"),
]


@pytest.mark.parametrize(("settings", "sentence"), CONTRADICTIONS)
def test_what_contradicts_one_another_is_refused(
    settings: dict[str, str], sentence: str, reader: Reader
) -> None:
    answer = reader.read("shop", [], **settings)
    assert (answer["code"], len(answer["said"].splitlines())) == (1, 1)
    assert answer["said"].startswith(f"kopeck: {sentence}")


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {"SITE_URL": "https://shop.example"},
            "SITE_URL begins with https://, but TRUSTED_PROXIES names no proxy",
        ),
        ({"PROMETHEUS_MULTIPROC_DIR": "/dev/null/x"}, "PROMETHEUS_MULTIPROC_DIR: /dev/null is no folder"),
    ],
)
def test_a_web_server_that_nobody_could_use_is_refused(
    settings: dict[str, str], sentence: str, reader: Reader
) -> None:
    answer = reader.read("web server", [], **settings)
    assert (answer["code"], answer["said"].startswith(f"kopeck: {sentence}")) == (1, True)


def test_emptying_the_folder_of_the_figures_leaves_everything_else(reader: Reader, tmp_path: Path) -> None:
    (tmp_path / "gauge_all_7.db").touch()
    (tmp_path / "picture.webp").touch()
    (tmp_path / "media").mkdir()
    assert reader.read("web server", [], PROMETHEUS_MULTIPROC_DIR=str(tmp_path))["code"] == 0
    assert {path.name for path in tmp_path.iterdir()} == {"picture.webp", "media"}


def test_a_mail_service_without_its_token_is_refused_at_the_start() -> None:
    env = clean_env(
        STRIPE_SANDBOX="1", SECRET_KEY="s", EMAIL_BACKEND="anymail.backends.postmark.EmailBackend"
    )
    command = [sys.executable, "manage.py", "check"]
    env["DATABASE_URL"] = "postgresql://127.0.0.1:1/nowhere"
    ended = subprocess.run(command, cwd=BASE_DIR, env=env, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith("kopeck: EMAIL_BACKEND: ")
    assert "POSTMARK_SERVER_TOKEN" in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("value", [value for value in HOSTS if value != "*"])
def test_a_corrected_name_is_answered_as_a_browser_asks_for_it(value: str, reader: Reader) -> None:
    allowed = reader.read("shop", ["ALLOWED_HOSTS"], ALLOWED_HOSTS=value)["settings"]["ALLOWED_HOSTS"]
    for name in HOSTS[value]:
        asked = f"www{name}" if name.startswith(".") else name
        assert_django_takes(asked, allowed)


@pytest.mark.parametrize("site", SITES)
def test_the_host_of_site_url_is_always_answered(site: str, reader: Reader) -> None:
    read = reader.read("shop", ["SITE_URL", "ALLOWED_HOSTS"], SITE_URL=site, ALLOWED_HOSTS="other.example")
    found = read["settings"]
    host = found["SITE_URL"].partition("://")[2]
    assert found["ALLOWED_HOSTS"][0] == "other.example"
    assert_django_takes(host, found["ALLOWED_HOSTS"])


def assert_django_takes(host: str, allowed: list[str]) -> None:
    request = HttpRequest()
    request.META["HTTP_HOST"] = host
    with override_settings(ALLOWED_HOSTS=allowed):
        assert request.get_host() == host
