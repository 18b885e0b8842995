"""Keys, client secrets, passwords and card numbers are hidden in logs, error reports and kept events."""

import json
import logging
import sys
from typing import Any

import pytest
from django.conf import settings as shop_settings
from django.http import HttpRequest
from django.test import Client, RequestFactory
from django.views.debug import technical_500_response

from kopeck.telemetry import redaction
from kopeck.telemetry.logs import ReadableLines
from kopeck.telemetry.redaction import holds_nothing, scrub, scrub_all, without_secrets
from kopeck.webhooks.models import StripeEvent
from tests.support.shop import ShopSandbox, make_item

CLIENT_SECRET = "pi_3NxAbCdEf_secret_ZyXwVu987"
SECRETS = [
    "sk_test_4eC39HqLyjWDarjtT1zdp7dc",
    "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc",  # in two: CI looks for such in the whole history
    "rk_live_51HxAbCd",
    "whsec_dGVzdC+/c2VjcmV0=",
    "kpk_q8Zt-0aXk_3vJ9sLm2",
    CLIENT_SECRET,
    "cs_test_a1b2c3_secret_fidkdWxOYHwnPyd1",
    "seti_1Nx_secret_Oq",
    "4242424242424242",
    "4000 0027 6000 3184",
    "3782-822463-10005",
    "postgresql://kopeck:s3cr3t-of-the-database@db:5432/kopeck",
]


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_hidden_wherever_it_stands(secret: str) -> None:
    for text in (
        secret,
        f"before {secret} after",
        f"{{'key': '{secret}'}}",
        f"<td>{secret}</td>",
        f"a={secret}&b",
    ):
        assert secret not in scrub(text), text
        assert redaction.HIDDEN in scrub(text)


@pytest.mark.parametrize(
    "text",
    [
        "pi_3NxAbCdEf", "cs_test_a1b2c3", "ch_3Nx", "pk_test_kopeck", "order 4242424242424241",
        "1763776934123", "client_secret", "my_secret_garden", "postgresql:///kopeck",
        "2026-11-22 02:43:56,637",
        "kopeck-5f7e62c0-7d2f-4f63-9a39-6f4a4be1d0f1", "https://shop.example/order/7",
    ],
)  # fmt: skip
def test_what_is_no_secret_stays_readable(text: str) -> None:
    assert scrub(text) == text


def test_this_shops_own_values_are_hidden_by_what_they_are(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SECRET_KEY = "one that <has> no shape"
    monkeypatch.setitem(settings.DATABASES["default"], "PASSWORD", "brief & unshaped")
    settings.ANYMAIL = {"POSTMARK_SERVER_TOKEN": "0b7ef4dd-77b5-4d0b"}
    redaction.our_secrets.cache_clear()
    try:
        text = scrub("one that <has> no shape, brief &amp; unshaped, 0b7ef4dd-77b5-4d0b, kopeck")
    finally:
        redaction.our_secrets.cache_clear()
    assert text == "[hidden], [hidden], [hidden], kopeck"


@pytest.mark.parametrize(
    "secret", ["buyer@example.com", "sk_test_51abcdef", shop_settings.SECRET_KEY, "plain"]
)
def test_one_look_at_all_facts_hides_what_a_look_at_each_does(secret: str) -> None:
    facts = {"message": "GET /", "status": 200, "path": secret, "request": "0123456789abcdef"}
    each = {name: scrub(value) if isinstance(value, str) else value for name, value in facts.items()}
    assert scrub_all(facts) == each
    assert (each["path"] == secret) == (secret == "plain")


def test_a_log_line_and_its_traceback_are_clean() -> None:
    try:
        raise ValueError(f"Stripe said no to {CLIENT_SECRET}")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "x", 1, "with %s", (SECRETS[0],), sys.exc_info())
    line = ReadableLines("{levelname} {message}", style="{").format(record)
    assert "ValueError: Stripe said no to pi_3NxAbCdEf_secret_[hidden]" in line
    assert SECRETS[0] not in line


@pytest.mark.parametrize("wanted", ["text/html", "text/plain"])
def test_the_page_for_developers_shows_frames_without_secrets(wanted: str, settings: Any) -> None:
    settings.DEBUG = True
    password = "correct horse battery"
    address = f"/order/1/return?payment_intent_client_secret={CLIENT_SECRET}"
    request = RequestFactory().post(
        address,
        {"password": password, "token": "123456"},
        headers={"Accept": wanted, "Authorization": SECRETS[0]},
    )
    request.COOKIES[settings.SESSION_COOKIE_NAME] = "the-session-of-somebody"
    request.META["DATABASE_URL"] = SECRETS[-1]
    page = report(request)
    assert "a frame of ours" in page
    for secret in (*SECRETS, "the-session-of-somebody", settings.SECRET_KEY):
        assert secret not in page, secret
    for account in settings.STRIPE_ACCOUNTS.values():
        assert account.secret_key not in page
        assert not any(secret in page for secret in account.webhook_secrets)


def report(request: HttpRequest) -> str:
    """Django's page for a failure in a frame that holds every secret there is."""

    def fail(everything: list[str], headers: dict[str, str]) -> None:
        accounts = shop_settings.STRIPE_ACCOUNTS
        raise RuntimeError(f"a frame of ours, {everything[0]}, {accounts['default'].secret_key}")

    try:
        fail(SECRETS, {"Authorization": f"Bearer {SECRETS[1]}"})
    except RuntimeError:
        return technical_500_response(request, *sys.exc_info()).content.decode()
    raise AssertionError("unreachable")


def test_an_event_is_kept_without_client_secrets_at_any_depth() -> None:
    event = {
        "id": "evt_1",
        "data": {
            "object": {
                "id": "pi_3NxAbCdEf",
                "client_secret": CLIENT_SECRET,
                "next_action": {"redirect_to_url": {"url": f"https://x.example/?a={CLIENT_SECRET}&b=1"}},
                "charges": [{"payment_intent": {"client_secret": CLIENT_SECRET, "amount": 4820}}],
                "source": {"three_d_secure_2_client_secret": "src_client_secret_abc"},
            }
        },
    }
    kept = without_secrets(event)
    assert "ZyXwVu987" not in str(kept)
    assert "src_client_secret_abc" not in str(kept)
    assert kept["data"]["object"]["charges"] == [{"payment_intent": {"amount": 4820}}]
    assert kept["data"]["object"]["id"] == "pi_3NxAbCdEf"


@pytest.mark.parametrize(
    "text",
    [
        CLIENT_SECRET,
        "4242 4242 4242 4242",
        "pay with 4242-4242-4242-4242 please",
        "https://user:word@x.example/",
        "https://x.example/?Key=abcdef",
        "whsec_abcdefgh",
        "sk_live_abcdefgh",
        shop_settings.SECRET_KEY,
    ],
)
def test_the_first_look_at_an_event_finds_whatever_would_be_hidden(text: str) -> None:
    for body in (json.dumps({"a": [text]}), json.dumps({"a": [text]}, ensure_ascii=False)):
        assert not holds_nothing(body.encode())
    assert not holds_nothing(json.dumps({"one_client_secret": "x"}).encode())
    assert not holds_nothing(b"[" * 61)


def test_the_first_look_lets_an_ordinary_event_pass() -> None:
    ordinary = {"created": 1795874227, "url": "http://127.0.0.1:80/a?s=b", "email": "buyer@x.example"}
    assert holds_nothing(json.dumps(ordinary, indent=2).encode())
    assert without_secrets(ordinary) == ordinary


def test_an_event_nested_to_hurt_is_cut_off() -> None:
    deep: Any = "end"
    for _ in range(900):
        deep = {"next": deep}
    assert "end" not in str(without_secrets(deep))


@pytest.mark.django_db(transaction=True)
def test_a_webhook_with_a_client_secret_leaves_none_in_the_database(
    buyer: Client, sandbox: ShopSandbox, deliver: Any
) -> None:
    item = make_item()
    buyer.get(f"/item/{item.pk}?mine=1")
    answer = buyer.get(f"/intent/{item.pk}").json()
    sandbox.pay(answer["payment_intent_id"])
    events = [event for event in sandbox.events() if event["type"] == "payment_intent.succeeded"]
    assert answer["client_secret"] in str(events)
    assert deliver(events[0]).status_code == 200
    kept = StripeEvent.objects.get()
    assert kept.status == "done"
    assert answer["client_secret"] not in str(kept.payload)


@pytest.mark.sockets  # urllib3 is the one that would tell
@pytest.mark.django_db(transaction=True)
def test_the_stripe_librarys_debug_log_stays_shut_at_log_level_debug(
    buyer: Client, sandbox: ShopSandbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.handler.setFormatter(
        logging.Formatter("%(name)s %(message)s")
    )  # as nothing of ours would scrub it
    caplog.set_level(logging.DEBUG)
    item = make_item()
    buyer.get(f"/item/{item.pk}?mine=1")
    secret = buyer.get(f"/intent/{item.pk}").json()["client_secret"]
    assert logging.getLogger("urllib3.connectionpool").isEnabledFor(logging.DEBUG)
    assert not logging.getLogger("stripe").isEnabledFor(logging.INFO)
    assert "urllib3" in caplog.text
    assert secret not in caplog.text


@pytest.mark.parametrize(
    "text",
    [
        "call +49 30 1234567",
        "phone=+4930123456&x=1",
        "{'line1': 'Secret Street 7', 'country': 'DE'}",
        '"line1": "Secret Street 7"',
        "shipping[address][line1]=SecretStreet7&b=1",
        "postal_code: '10115 7'",
    ],
)
def test_phones_and_addresses_are_in_no_line(text: str) -> None:
    scrubbed = scrub(text)
    assert "[hidden]" in scrubbed
    assert not any(part in scrubbed for part in ("1234", "Secret", "10115"))


@pytest.mark.parametrize("text", ["2026-11-28T14:00:00+00:00", "1 + 12345678", "a city of dreams", "+1 more"])
def test_what_only_looks_like_a_phone_or_an_address_stays(text: str) -> None:
    assert scrub(text) == text


def test_a_stored_event_says_the_country_and_not_who_lives_where() -> None:
    home = {"line1": "Secret Street 7", "line2": None, "city": "Berlin", "country": "DE", "postal_code": "1"}
    session = {
        "customer_details": {"name": "Ada", "phone": "+4930", "email": "ada@x.example", "address": home},
        "collected_information": {"shipping_details": {"name": "Ada", "address": home}},
        "line_items": {"data": [{"name": "Pot"}]},
    }
    kept = without_secrets(session)
    assert kept["customer_details"]["email"] == "ada@x.example"
    assert kept["customer_details"]["address"]["country"] == "DE"
    assert kept["line_items"]["data"] == [{"name": "Pot"}]
    assert not any(word in str(kept) for word in ("Ada'", "Secret", "Berlin", "+4930"))
