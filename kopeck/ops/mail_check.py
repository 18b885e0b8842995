"""`manage.py doctor --mail`: sends one mail by the shop's own settings, and says what came of it."""

import smtplib
import socket
import ssl
from contextlib import suppress

from django.conf import settings
from django.core.mail import EmailMessage, get_connection

from kopeck.ops.stripe_checks import Check
from kopeck.telemetry.redaction import scrub

_SMTP = "django.core.mail.backends.smtp.EmailBackend"
_FILES = "kopeck.mail.files.EmailBackend"
_AREA = ("mail", "test mail")


def send_test(to: str) -> Check:
    """Sends a mail to this address now, beside all queues. Whatever goes wrong is a sentence."""
    shop = settings.SHOP_NAME
    message = EmailMessage(
        f"A test mail of {shop}",
        f"The doctor of {shop} has sent this. If you read it, buyers get their receipts.\n",
        to=[to],
        headers={"Auto-Submitted": "auto-generated"},
        connection=(line := get_connection()),
    )
    try:
        message.send()
    except Exception as trouble:
        said, do = explain(trouble)
        return Check(*_AREA, "fail", said, do)
    finally:
        with suppress(Exception):  # Django leaves it open where it was refused on the way
            line.close()
    match settings.EMAIL_BACKEND:
        case backend if backend == _FILES:
            said = f"no mail server is named: it is a file in {settings.EMAIL_FILE_PATH}"
            return Check(*_AREA, "warn", said, "set EMAIL_HOST, or EMAIL_BACKEND of your mail service")
        case backend if backend == _SMTP:
            taken = f"taken by {_server()}"
        case backend:
            taken = f"handed to {backend}"
    return Check(*_AREA, "ok", f"{taken} for {to}. See that it arrives, and not as spam")


def explain(trouble: Exception) -> tuple[str, str]:
    """What a failure of sending means, and what to do."""
    match trouble:
        case smtplib.SMTPException():
            return _refused(trouble)
        case ssl.SSLCertVerificationError():
            said = f"the certificate of {_server()} is not good: {trouble.verify_message}"
            return said, "set EMAIL_HOST to the name in the certificate, or have it renewed"
        case ssl.SSLError():
            do = "EMAIL_USE_SSL=1 is for TLS from the start (port 465), EMAIL_USE_TLS=1 for STARTTLS (587)"
            return f"no TLS can be spoken with {_server()}", do
        case socket.gaierror():
            return f"no server is found by the name {settings.EMAIL_HOST}", "correct EMAIL_HOST"
        case ConnectionRefusedError():
            return f"nobody listens at {_server()}", "correct EMAIL_HOST or EMAIL_PORT"
        case TimeoutError():
            said = f"{_server()} does not answer within {settings.EMAIL_TIMEOUT} s"
            return (
                said,
                "many hosts shut port 25: use 587 with EMAIL_USE_TLS=1, or another port of the service",
            )
        case OSError():
            return (
                f"{_server()} can't be reached: {_short(trouble)}",
                "see the network, EMAIL_HOST, EMAIL_PORT",
            )
        case UnicodeError():
            return f"an address can't be written: {_short(trouble)}", "correct it, or DEFAULT_FROM_EMAIL"
    said = f"{settings.EMAIL_BACKEND} failed: {type(trouble).__name__}: {_short(trouble)}"
    return said, "see the settings of your mail service in .env.example"


def _refused(trouble: smtplib.SMTPException) -> tuple[str, str]:
    """The mail server was there, and took no mail."""
    match trouble:
        case smtplib.SMTPAuthenticationError():
            said = f"{_server()} refuses the name or the password: {_said(trouble)}"
            return said, "correct EMAIL_HOST_USER and EMAIL_HOST_PASSWORD; some services want an app password"
        case smtplib.SMTPSenderRefused():
            said = f"{_server()} takes no mail from {trouble.sender}: {_said(trouble)}"
            return said, "set DEFAULT_FROM_EMAIL to an address that may send there"
        case smtplib.SMTPRecipientsRefused():
            ((to, (code, words)), *_others) = trouble.recipients.items()
            said = f"{_server()} takes no mail for {to}: {code} {_short(words)}"
            return said, "try another address; where it says relay, a log-in is missing (EMAIL_HOST_USER)"
        case smtplib.SMTPDataError():
            return f"{_server()} refuses the letter: {_said(trouble)}", "ask who runs the mail server"
        case smtplib.SMTPNotSupportedError() if "STARTTLS" in str(trouble):
            do = "set EMAIL_USE_SSL=1 with its port (465), or EMAIL_USE_TLS=0 where the network is yours"
            return f"{_server()} knows no STARTTLS", do
        case smtplib.SMTPNotSupportedError() if "AUTH" in str(trouble):
            return f"{_server()} takes no log-in", "set EMAIL_USE_TLS=1, or leave EMAIL_HOST_USER empty"
        case smtplib.SMTPServerDisconnected():
            said = f"{_server()} hung up, or never spoke: {_short(trouble)}"
            return said, "where TLS is spoken from the start (port 465), set EMAIL_USE_SSL=1"
        case smtplib.SMTPResponseException():
            return f"{_server()} takes no mail now: {_said(trouble)}", "try again; then ask who runs it"
    return f"{_server()} took no mail: {_short(trouble)}", "ask who runs the mail server"


def _server() -> str:
    return f"{settings.EMAIL_HOST}:{settings.EMAIL_PORT}"


def _said(trouble: smtplib.SMTPResponseException) -> str:
    return f"{trouble.smtp_code} {_short(trouble.smtp_error)}"


def _short(words: object) -> str:
    """One line of it, without secrets."""
    text = words.decode(errors="replace") if isinstance(words, bytes) else str(words)
    return scrub(" ".join(text.split()))[:300]
