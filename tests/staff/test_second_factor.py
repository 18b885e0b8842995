"""Staff switch a second factor on for themselves; from then on a password alone opens nothing at all."""

import base64
import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django_otp.oath import totp
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from kopeck.orders import placing
from kopeck.orders.wanted import Wanted
from tests.support.shop import make_item

PASSWORD = "correct horse battery"
DESK, TOKEN = "/admin/second-factor/", "/admin/second-factor/token/"
pytestmark = pytest.mark.django_db


@pytest.fixture
def anna() -> User:
    return User.objects.create_superuser("anna", password=PASSWORD)


def log_in(name: str = "anna", client: Client | None = None) -> Client:
    """A browser after the password, with nothing more given."""
    client = client or Client(raise_request_exception=False)
    answer = client.post("/admin/login/", {"username": name, "password": PASSWORD})
    assert answer.status_code == 302, answer.content.decode()
    return client


def token_of(secret: str, *, step: int = 0) -> str:
    """What an authenticator app shows: computed from what the page says, not from the database."""
    key = base64.b32decode(secret.replace(" ", ""))
    return f"{totp(key, t0=-30 * step):06d}"


def secret_shown(client: Client) -> str:
    page = client.get(DESK).content.decode()
    found = re.search(r'data-testid="secret">([A-Z2-7 ]+)<', page)
    assert found, page
    return found[1]


def codes_in(answer: Any) -> list[str]:
    return re.findall(r"<code>([a-z2-7]{4}-[a-z2-7]{4})</code>", answer.content.decode())


class Desk:
    """A staff member with the second factor on: their secret, recovery codes, and the browser they used."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.secret = secret_shown(client)
        answer = client.post(DESK, {"action": "confirm", "token": token_of(self.secret)})
        self.codes = codes_in(answer)
        self.step = 0

    def token(self) -> str:
        """The next one: each is taken only once, and one from the near future is believed."""
        self.step += 1
        return token_of(self.secret, step=self.step)


@pytest.fixture
def desk(anna: User) -> Desk:
    return Desk(log_in())


def rested() -> None:
    """The pause after wrong tokens is over."""
    for kind in (TOTPDevice, StaticDevice):
        kind.objects.update(throttling_failure_timestamp=None)


def test_without_one_the_password_opens_the_admin(anna: User) -> None:
    assert log_in().get("/admin/").status_code == 200


def test_setting_it_up_shows_a_code_to_scan_and_then_recovery_codes_once(anna: User) -> None:
    client = log_in()
    page = client.get(DESK).content.decode()
    assert "<svg" in page
    assert "no-store" in client.get(DESK)["Cache-Control"]
    desk = Desk(client)
    assert len(set(desk.codes)) == 10
    again = client.get(DESK).content.decode()
    assert "You have 10 recovery codes left." in again
    assert not any(code in again for code in desk.codes)
    assert desk.secret not in again


def test_a_wrong_token_switches_nothing_on(anna: User) -> None:
    client = log_in()
    right = token_of(secret_shown(client))
    wrong = f"{(int(right) + 1) % 1_000_000:06d}"
    assert "not the right token" in client.post(DESK, {"action": "confirm", "token": wrong}).content.decode()
    assert not TOTPDevice.objects.filter(confirmed=True).exists()
    assert log_in().get("/admin/").status_code == 200


def test_the_token_is_asked_for_after_the_password(desk: Desk) -> None:
    client = log_in()
    answer = client.get("/admin/catalog/item/?q=pot")
    assert answer.url == f"{TOKEN}?next=%2Fadmin%2Fcatalog%2Fitem%2F%3Fq%3Dpot"
    page = client.get(answer.url)
    assert "six digits" in page.content.decode()
    given = client.post(answer.url, {"token": desk.token(), "next": "/admin/catalog/item/?q=pot"})
    assert (given.status_code, given.url) == (302, "/admin/catalog/item/?q=pot")
    assert client.get("/admin/catalog/item/").status_code == 200


def test_half_logged_in_opens_nothing_of_the_shop_either(desk: Desk) -> None:
    item = make_item()
    order = placing.place_for_buy(Wanted(item, 1), visitor="somebody else")
    half = log_in()
    addresses = (f"/order/{order.pk}", f"/api/v1/orders/{order.pk}")
    assert [half.get(address).status_code for address in addresses] == [404, 404]
    assert half.get(f"/api/v1/items/{item.pk}/orders").json()["orders"] == []
    for address in ("/admin/", f"/admin/orders/order/{order.pk}/why/", "/admin/password_change/"):
        for answer in (half.get(address), half.post(address)):
            assert answer.status_code == 302
            assert answer.url.startswith(TOKEN)
    half.post(TOKEN, {"token": desk.token()})
    assert [half.get(address).status_code for address in addresses] == [200, 200]


def test_half_logged_in_neither_sees_nor_changes_the_second_factor(desk: Desk) -> None:
    half = log_in()
    assert half.get(DESK).url == TOKEN
    assert half.post(DESK, {"action": "off", "token": ""}).url == TOKEN
    assert TOTPDevice.objects.count() == 1


def test_a_token_opens_once(desk: Desk) -> None:
    token = desk.token()
    assert log_in().post(TOKEN, {"token": token}).status_code == 302
    assert log_in().post(TOKEN, {"token": token}).status_code == 200
    rested()
    assert log_in().post(TOKEN, {"token": token_of(desk.secret)}).status_code == 200  # older than that one


def test_a_recovery_code_opens_once_as_people_copy_it(desk: Desk) -> None:
    code = desk.codes[0]
    assert log_in().post(TOKEN, {"token": f" {code.upper()} "}).status_code == 302
    assert log_in().post(TOKEN, {"token": code}).status_code == 200
    assert StaticToken.objects.count() == 9


def test_who_guesses_tokens_waits_ever_longer(desk: Desk) -> None:
    half = log_in()
    wrong = "000000" if token_of(desk.secret, step=1) != "000000" else "111111"
    assert half.post(TOKEN, {"token": wrong}).status_code == 200
    TOTPDevice.objects.update(throttling_failure_count=9)
    answer = half.post(TOKEN, {"token": token_of(desk.secret, step=1)})
    assert answer.status_code == 429
    assert 60 < int(answer["Retry-After"]) <= 256
    assert "Too many wrong tokens." in answer.content.decode()
    rested()
    assert half.post(TOKEN, {"token": token_of(desk.secret, step=1)}).status_code == 302


def test_what_is_no_token_is_a_wrong_one(desk: Desk) -> None:
    for odd in ("", " ", "x" * 100_000, "１２３４５６", "12345\x00", "-12345", "1e5000", "😀"):
        half = log_in()
        assert half.post(TOKEN, {"token": odd}).status_code in (200, 429), odd
        assert half.get("/admin/").status_code == 302, odd


def test_the_session_gets_another_name_with_the_second_factor(desk: Desk) -> None:
    half = log_in()
    before = half.session.session_key
    half.post(TOKEN, {"token": desk.token()})
    assert half.session.session_key != before


def test_after_the_token_nobody_is_led_to_another_site(desk: Desk) -> None:
    for away in ("https://evil.example/", "//evil.example", "javascript:alert(1)"):
        assert log_in().post(TOKEN, {"token": desk.token(), "next": away}).url == "/admin/"
        TOTPDevice.objects.update(last_t=-1)
        desk.step = 0


def test_other_browsers_are_asked_as_soon_as_it_is_switched_on(anna: User) -> None:
    elsewhere = log_in()
    assert elsewhere.get("/admin/").status_code == 200
    Desk(log_in())
    assert elsewhere.get("/admin/").url.startswith(TOKEN)


def test_switching_it_off_takes_a_token(desk: Desk) -> None:
    desk.client.post(DESK, {"action": "off", "token": "000000"})
    assert log_in().get("/admin/").url.startswith(TOKEN)
    rested()
    desk.client.post(DESK, {"action": "off", "token": desk.token()})
    assert not TOTPDevice.objects.filter(confirmed=True).exists()
    assert StaticToken.objects.count() == 0
    assert log_in().get("/admin/").status_code == 200


def test_new_recovery_codes_void_the_old_ones(desk: Desk) -> None:
    fresh = codes_in(desk.client.post(DESK, {"action": "codes", "token": desk.token()}))
    assert len(fresh) == 10
    assert not set(fresh) & set(desk.codes)
    assert desk.client.get("/admin/").status_code == 200
    assert log_in().post(TOKEN, {"token": desk.codes[0]}).status_code == 200
    rested()
    assert log_in().post(TOKEN, {"token": fresh[0]}).status_code == 302


def test_where_it_is_required_the_first_log_in_sets_it_up(anna: User, settings: Any) -> None:
    settings.STAFF_SECOND_FACTOR = "required"
    client = log_in()
    assert client.get("/admin/orders/order/").url.startswith(DESK)
    assert "set yours up to go on" in client.get(DESK).content.decode()
    Desk(client)
    assert client.get("/admin/orders/order/").status_code == 200


def test_who_is_no_staff_has_no_desk() -> None:
    User.objects.create_user("guest", password=PASSWORD)
    client = Client()
    client.force_login(User.objects.get())
    for stranger in (client, Client()):
        for address in (DESK, TOKEN):
            assert stranger.get(address).url.startswith("/admin/login/")
            assert stranger.post(address).url.startswith("/admin/login/")


def test_a_superuser_takes_a_lost_one_away_and_never_sees_a_secret(desk: Desk, owner: Client) -> None:
    device = TOTPDevice.objects.get()
    base = "/admin/otp_totp/totpdevice"
    shown = "".join(owner.get(f"{base}/{page}").content.decode() for page in ("", f"{device.pk}/change/"))
    assert "anna" in shown
    hexadecimal = device.key
    assert hexadecimal not in shown
    assert desk.secret.replace(" ", "") not in shown.replace(" ", "")
    for page in ("config", "qrcode"):  # django-otp's own
        assert b"svg" not in owner.get(f"{base}/{device.pk}/{page}/").content
    owner.post(f"{base}/{device.pk}/delete/", {"post": "yes"})
    assert StaticToken.objects.count() == 0
    assert log_in().get("/admin/").status_code == 200


def test_staff_who_are_no_superusers_do_not_touch_anothers(desk: Desk) -> None:
    clerk = User.objects.create_user("clerk", password=PASSWORD, is_staff=True)
    from django.contrib.auth.models import Permission

    clerk.user_permissions.set(Permission.objects.filter(content_type__app_label__startswith="otp"))
    client = log_in("clerk")
    base = f"/admin/otp_totp/totpdevice/{TOTPDevice.objects.get().pk}"
    assert client.post(f"{base}/delete/", {"post": "yes"}).status_code == 403
    assert client.get(f"{base}/change/").status_code == 403
    assert TOTPDevice.objects.count() == 1


def test_the_command_lets_the_locked_out_owner_in(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("reset_second_factor", "anna")
    assert "password alone" in capsys.readouterr().out
    assert log_in().get("/admin/").status_code == 200
    with pytest.raises(CommandError, match="no user called nobody"):
        call_command("reset_second_factor", "nobody")


def test_logging_out_half_way_is_possible(desk: Desk) -> None:
    half = log_in()
    half.post("/admin/logout/")
    assert "_auth_user_id" not in half.session
