"""`manage.py doctor --mail`: what came of a test mail, each kind of failure in a sentence."""

import io
import json
import smtplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from kopeck.ops.mail_check import explain, send_test
from tests.ops.doctoring import Patient
from tests.ops.doctoring import patient as patient

#: Put together here, so that this file holds none.
KEY = "sk_live_" + "abcdefghijklmnop" + "0123456789"

TO = "you@example.com"
EHLO = "250-here\r\n250 AUTH PLAIN"


@contextmanager
def mail_server(**answers: str) -> Iterator[int]:
    """A mail server that takes everything but what `answers` says of a verb. Yields its port."""
    usual = {"ehlo": "250 here", "mail": "250 ok", "rcpt": "250 ok", "data": "354 go", "quit": "221 bye"}
    said = usual | {"letter": "250 taken"} | answers

    def talk() -> None:
        with suppress(ConnectionError), listener.accept()[0] as line, line.makefile("rwb") as speech:
            if said.get("greeting") == "":
                return
            in_letter = not speech.write(b"220 here\r\n")
            speech.flush()
            for words in speech:
                verb = words[:4].strip().decode(errors="replace").lower()
                if in_letter and words != b".\r\n":
                    continue
                answer = said["letter"] if in_letter else said.get(verb, "502 what?")
                if not answer:
                    return
                in_letter = not in_letter and verb == "data" and answer.startswith("354")
                speech.write(answer.encode() + b"\r\n")
                speech.flush()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=talk, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        socket.create_connection(listener.getsockname()).close()  # nobody may have come
        thread.join(20)


@pytest.fixture
def by_smtp(settings: Any) -> Any:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_TIMEOUT = "127.0.0.1", 10
    return settings


@pytest.mark.parametrize(
    ("answers", "log_in", "said", "do"),
    [
        ({"ehlo": EHLO, "auth": "535 5.7.8 bad"}, True, "the name or the password: 535 5.7.8", "PASSWORD"),
        ({}, True, "takes no log-in", "EMAIL_USE_TLS=1"),
        ({"mail": "550 not you"}, False, "no mail from shop@localhost: 550 not you", "DEFAULT_FROM_EMAIL"),
        ({"rcpt": "550 5.1.1 no such user"}, False, f"no mail for {TO}: 550 5.1.1 no such user", "another"),
        ({"data": "554 spam"}, False, "refuses the letter: 554 spam", "who runs"),
        ({"letter": "452 disk full"}, False, "refuses the letter: 452 disk full", "who runs"),
        ({"greeting": ""}, False, "hung up, or never spoke", "EMAIL_USE_SSL=1"),
        ({"ehlo": "500 no", "helo": "421 closing"}, False, "takes no mail now: 421 closing", "try again"),
    ],
)  # fmt: skip
def test_what_a_mail_server_refuses_is_a_sentence_with_what_to_do(
    by_smtp: Any, answers: dict[str, str], log_in: bool, said: str, do: str
) -> None:
    by_smtp.DEFAULT_FROM_EMAIL = "shop@localhost"
    by_smtp.EMAIL_HOST_USER = by_smtp.EMAIL_HOST_PASSWORD = "gehe1m-not-shown" if log_in else ""
    with mail_server(**answers) as port:
        by_smtp.EMAIL_PORT = port
        check = send_test(TO)
    assert check.level == "fail"
    assert said in check.said
    assert do in check.do
    assert "gehe1m" not in str(check)


def test_a_mail_that_was_taken_is_well_and_to_be_looked_for(by_smtp: Any) -> None:
    with mail_server() as port:
        by_smtp.EMAIL_PORT = port
        check = send_test(TO)
    assert (check.level, check.do) == ("ok", "")
    assert check.said == f"taken by 127.0.0.1:{port} for {TO}. See that it arrives, and not as spam"


def test_tls_that_a_server_does_not_speak_is_told(by_smtp: Any) -> None:
    by_smtp.EMAIL_USE_TLS = True
    with mail_server() as port:
        by_smtp.EMAIL_PORT = port
        assert "knows no STARTTLS" in send_test(TO).said
    by_smtp.EMAIL_USE_TLS, by_smtp.EMAIL_USE_SSL = False, True
    with mail_server() as port:
        by_smtp.EMAIL_PORT = port
        assert "no TLS can be spoken" in send_test(TO).said


def test_nobody_at_the_port_is_told(by_smtp: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        by_smtp.EMAIL_PORT = taken.getsockname()[1]
    check = send_test(TO)
    assert check.said == f"nobody listens at 127.0.0.1:{by_smtp.EMAIL_PORT}"


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        (socket.gaierror(-2, "Name or service not known"), "no server is found by the name 127.0.0.1"),
        (TimeoutError("timed out"), "does not answer within 10 s"),
        (ssl.SSLCertVerificationError(1, "certificate verify failed"), "the certificate of"),
        (OSError(101, "Network is unreachable"), "can't be reached"),
        (UnicodeEncodeError("ascii", "ü", 0, 1, "no"), "an address can't be written"),
        (smtplib.SMTPException("odd"), "took no mail: odd"),
        (RuntimeError(f"key {KEY}\nof two lines"), "RuntimeError: key"),
    ],
)
def test_what_no_test_can_cause_has_its_sentence_too(by_smtp: Any, trouble: Exception, said: str) -> None:
    if isinstance(trouble, ssl.SSLCertVerificationError):
        trouble.verify_message = "Hostname mismatch"
    found, do = explain(trouble)
    assert said in found
    assert do
    assert "\n" not in found
    assert KEY not in found


def test_without_a_mail_server_it_is_a_file(settings: Any, tmp_path: Path) -> None:
    settings.EMAIL_BACKEND, settings.EMAIL_FILE_PATH = "kopeck.mail.files.EmailBackend", tmp_path / "mail"
    check = send_test(TO)
    assert check.level == "warn"
    (file,) = (tmp_path / "mail").iterdir()
    assert f"To: {TO}" in file.read_text()


@pytest.mark.django_db(transaction=True)
@pytest.mark.sockets
def test_the_doctor_sends_it_on_request_alone(patient: Patient, mailoutbox: list[Any]) -> None:
    call_command("doctor", stdout=io.StringIO())
    assert mailoutbox == []
    out = io.StringIO()
    call_command("doctor", "--json", "--mail", TO, stdout=out)
    (mail,) = mailoutbox
    assert mail.to == [TO]
    last = json.loads(out.getvalue())["checks"][-1]
    assert (last["area"], last["name"], last["level"]) == ("mail", "test mail", "ok")


@pytest.mark.parametrize("wrong", ["you", "you@", "a@b\nBcc: c@d.example", "x" * 400 + "@example.com"])
def test_what_is_no_address_is_refused_before_anything_is_asked(wrong: str, mailoutbox: list[Any]) -> None:
    with pytest.raises(CommandError, match="no e-mail address"):
        call_command("doctor", "--mail", wrong)
    assert mailoutbox == []
