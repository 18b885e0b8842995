"""Where mails go is read from the environment."""

import json
import subprocess
import sys
from pathlib import Path

from tests.support.starting import BASE_DIR, clean_env

SHOWN = (
    "EMAIL_BACKEND EMAIL_FILE_PATH EMAIL_HOST EMAIL_PORT EMAIL_HOST_USER EMAIL_HOST_PASSWORD EMAIL_USE_TLS "
    "EMAIL_USE_SSL DEFAULT_FROM_EMAIL ANYMAIL"
)
SHOW = f"""
import json, kopeck.settings as s
print(json.dumps({{name: getattr(s, name) for name in {SHOWN.split()!r}}}, default=str))
"""


def read(tmp_path: Path, **more: str) -> "subprocess.CompletedProcess[str]":
    env = clean_env(STRIPE_SANDBOX="1", SECRET_KEY="s", DATA_DIR=str(tmp_path), **more)
    command = [sys.executable, "-c", SHOW]
    return subprocess.run(command, cwd=BASE_DIR, env=env, capture_output=True, text=True, check=False)


def test_with_no_mail_server_mails_are_files(tmp_path: Path) -> None:
    found = json.loads(read(tmp_path).stdout)
    assert found["EMAIL_BACKEND"] == "kopeck.mail.files.EmailBackend"
    assert found["EMAIL_FILE_PATH"] == str(tmp_path / "mail")
    assert found["DEFAULT_FROM_EMAIL"] == "Kopeck <shop@localhost>"


def test_a_mail_server_is_read_and_its_password_comes_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("secret\n")
    found = json.loads(
        read(
            tmp_path,
            EMAIL_HOST="smtp.example",
            EMAIL_USE_TLS="1",
            EMAIL_HOST_USER="shop",
            EMAIL_HOST_PASSWORD_FILE=str(tmp_path / "password"),
            SITE_URL="https://shop.example:8443",
            SHOP_NAME="Töpfe & Co",
        ).stdout
    )
    assert found["EMAIL_BACKEND"] == "django.core.mail.backends.smtp.EmailBackend"
    assert (found["EMAIL_HOST"], found["EMAIL_PORT"], found["EMAIL_USE_TLS"]) == ("smtp.example", 587, True)
    assert (found["EMAIL_HOST_USER"], found["EMAIL_HOST_PASSWORD"]) == ("shop", "secret")
    assert found["DEFAULT_FROM_EMAIL"].endswith("<shop@shop.example>")


def test_settings_of_anymail_are_read_by_their_names_and_from_files(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret\n")
    found = json.loads(
        read(
            tmp_path,
            EMAIL_BACKEND="anymail.backends.postmark.EmailBackend",
            ANYMAIL_POSTMARK_SERVER_TOKEN_FILE=str(tmp_path / "token"),
            ANYMAIL_POSTMARK_MESSAGE_STREAM="outbound",
        ).stdout
    )
    assert found["ANYMAIL"] == {"POSTMARK_SERVER_TOKEN": "secret", "POSTMARK_MESSAGE_STREAM": "outbound"}
