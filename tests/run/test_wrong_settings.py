"""Settings that cannot work are refused at the start, in one sentence and not in a traceback."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.run.starting import BASE_DIR, clean_env, run_to_end

SHOW = """
import json, kopeck.settings as s
names = ("SITE_URL", "HTTPS", "TIME_ZONE", "STRIPE_TIMEOUT", "SENTRY_DSN")
found = {name: getattr(s, name) for name in names}
print(json.dumps({**found, "level": s.LOGGING["root"]["level"], "database": s.DATABASES["default"]}))
"""
DSN = "https://key@sentry.example/7"


def start(*command: str, **env: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *command],
        cwd=BASE_DIR,
        env=clean_env(STRIPE_SANDBOX="1", SECRET_KEY="s", **env),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def refusal(ended: "subprocess.CompletedProcess[str]") -> str:
    assert ended.returncode == 1, ended.stderr
    (sentence,) = ended.stderr.strip().splitlines()
    return sentence


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("LOG_LEVEL", "loud", ": the levels are DEBUG, INFO, WARNING, ERROR, CRITICAL, not 'loud'"),
        ("LOG_LEVEL", "5", ": the levels are"),
        ("TIME_ZONE", "Europe/Berln", ": a time zone is called Europe/Berlin or UTC, not 'Europe/Berln'"),
        ("TIME_ZONE", "Europe", ": a time zone is called"),
        ("TIME_ZONE", "../etc/passwd", ": a time zone is called"),
        ("SITE_URL", "shop.example", ": the shop's address looks like https://shop.example"),
        ("SITE_URL", "http://[bad", ": the shop's address looks like"),
        ("SITE_URL", "http://", ": the shop's address looks like"),
        ("SITE_URL", "ftp://shop.example", ": the shop's address looks like"),
        ("SITE_URL", "https://shop.example:port", ": the shop's address looks like"),
        ("SITE_URL", "https://shop.example/shop", ": the shop's address looks like"),
        ("SENTRY_DSN", "garbage", ": the address that Sentry shows for a project looks like"),
        ("SENTRY_DSN", "https://sentry.example/1", ": the address that Sentry shows"),
        ("SENTRY_DSN", "https://key@sentry.example/project", ": the address that Sentry shows"),
        ("SENTRY_DSN", "https://key@[bad/1", ": the address that Sentry shows"),
        ("DATABASE_POOL", "0", " should be a whole number from 1, not '0'"),
        ("STRIPE_TIMEOUT", "0", " should be a whole number from 1, not '0'"),
        ("STRIPE_TIMEOUT", "10s", " should be a whole number from 1, not '10s'"),
        ("STRIPE_RETRIES", "-1", " should be a whole number from 0, not '-1'"),
        ("WEB_THREADS", "0", " should be a whole number from 1, not '0'"),
        ("EMAIL_PORT", "0", " should be a whole number from 1, not '0'"),
    ],
)
def test_a_value_that_cannot_work_is_refused_in_a_sentence(name: str, value: str, said: str) -> None:
    sentence = refusal(start("-c", "import kopeck.settings", **{name: value}))
    assert sentence.startswith(f"kopeck: {name}{said}")


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "postgresql://user:p[ssw0rd@host/name",
        "postgresql://user:pass/w0rd@host/name",
        "postgresql://user:passw0rd@host:notaport/name",
        "mysql://user:passw0rd@host/name",
        "sqlite://:memory:",
    ],
)
def test_a_database_that_is_none_is_refused_without_its_password(url: str) -> None:
    sentence = refusal(start("-c", "import kopeck.settings", DATABASE_URL=url))
    assert sentence.startswith("kopeck: DATABASE_URL: a PostgreSQL database is named by postgresql://")
    assert "w0rd" not in sentence


def test_good_values_are_taken_however_they_are_written() -> None:
    url = "postgresql://user:p%40s s%5B@host:5433/name?sslmode=require"
    shown = start(
        *("-c", SHOW),
        LOG_LEVEL="info",
        SITE_URL="HTTPS://Shop.Example:8443/",
        TIME_ZONE="Europe/Berlin",
        STRIPE_TIMEOUT="1",
        SENTRY_DSN=DSN,
        DATABASE_URL=url,
    )
    found = json.loads(shown.stdout)
    database = found.pop("database")
    assert found == {
        "SITE_URL": "https://shop.example:8443",
        "HTTPS": True,
        "TIME_ZONE": "Europe/Berlin",
        "STRIPE_TIMEOUT": 1,
        "SENTRY_DSN": DSN,
        "level": "INFO",
    }
    assert (database["PASSWORD"], database["PORT"], database["NAME"]) == ("p@s s[", 5433, "name")
    assert database["OPTIONS"]["sslmode"] == "require"


def test_a_folder_for_figures_that_cannot_be_made_is_said_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    folder = str(tmp_path / "file" / "figures")
    for command in (("-c", "import kopeck.metrics"), ("-m", "kopeck.serve")):
        ended = start(*command, PROMETHEUS_MULTIPROC_DIR=folder, DJANGO_SETTINGS_MODULE="kopeck.settings")
        assert refusal(ended).startswith("kopeck: PROMETHEUS_MULTIPROC_DIR can't be made: ")


def test_an_env_file_that_is_no_utf_8_is_said_in_a_sentence(tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_text("PORT=8000\n", encoding="utf-16")
    by_run = run_to_end(ENV_FILE=str(file), DATA_DIR=str(tmp_path / "data"))
    by_settings = start("-c", "import kopeck.settings", ENV_FILE=str(file))
    by_manage = start("manage.py", "check", ENV_FILE=str(file))
    for ended in (by_run, by_settings, by_manage):
        assert ".env can't be read (it should be UTF-8): 'utf-8' codec" in refusal(ended)
