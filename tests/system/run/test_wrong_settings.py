"""Real starts with settings that cannot work, and with good ones. Each setting: test_each_setting.py."""

import json
import subprocess
import sys
from pathlib import Path

from tests.support.starting import BASE_DIR, clean_env, run_to_end

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
        timeout=240,
        check=False,
    )


def refusal(ended: "subprocess.CompletedProcess[str]") -> str:
    assert ended.returncode == 1, ended.stderr
    (sentence,) = ended.stderr.strip().splitlines()
    return sentence


def test_good_values_are_taken_however_they_are_written() -> None:
    url = "postgresql://user:p%40s%20s%5B@host:5433/name?sslmode=require"
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
    assert (database["PASSWORD"], database["PORT"], database["NAME"]) == ("p@s s[", "5433", "name")
    assert database["OPTIONS"]["sslmode"] == "require"


def test_a_folder_for_figures_that_cannot_be_made_is_said_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    folder = str(tmp_path / "file" / "figures")
    for command in (("-c", "import kopeck.telemetry.metrics"), ("-m", "kopeck.ops.serve")):
        ended = start(*command, PROMETHEUS_MULTIPROC_DIR=folder, DJANGO_SETTINGS_MODULE="kopeck.settings")
        assert refusal(ended) == f"kopeck: PROMETHEUS_MULTIPROC_DIR: {tmp_path / 'file'} is no folder."


def test_an_env_file_that_is_no_utf_8_is_said_in_a_sentence(tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_text("PORT=8000\n", encoding="utf-16")
    by_run = run_to_end(ENV_FILE=str(file), DATA_DIR=str(tmp_path / "data"))
    by_settings = start("-c", "import kopeck.settings", ENV_FILE=str(file))
    by_manage = start("manage.py", "check", ENV_FILE=str(file))
    for ended in (by_run, by_settings, by_manage):
        assert ".env can't be read (it should be UTF-8): 'utf-8' codec" in refusal(ended)
