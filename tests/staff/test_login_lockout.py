"""Five wrong passwords for one name from one address, twenty for all names, then a quarter of an hour."""

from datetime import timedelta
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.hashers import MD5PasswordHasher
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

PASSWORD = "correct horse battery"
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _locked(settings: Any) -> None:
    settings.AXES_ENABLED = True
    User.objects.create_superuser("anna", password=PASSWORD)


def log_in(password: str = PASSWORD, *, name: str = "anna", address: str = "203.0.113.5") -> Any:
    return Client(raise_request_exception=False).post(
        "/admin/login/", {"username": name, "password": password}, REMOTE_ADDR=address
    )


def guess(times: int, **how: str) -> list[int]:
    return [log_in(f"wrong {number}", **how).status_code for number in range(times)]


def test_the_fifth_wrong_password_locks_and_the_right_one_no_longer_opens() -> None:
    assert guess(5) == [200, 200, 200, 200, 429]
    assert log_in().status_code == 429


def test_the_locked_out_read_a_sentence_and_their_program_a_time() -> None:
    guess(5)
    answer = log_in()
    assert "Too many wrong passwords. Please try again in 15 minutes." in answer.content.decode()
    assert 880 <= int(answer["Retry-After"]) <= 900
    assert "no-store" in answer["Cache-Control"]


def test_trying_on_does_not_prolong_the_pause_and_after_it_the_password_opens() -> None:
    guess(5)
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=14, seconds=30))
    answer = log_in()
    assert answer.status_code == 429
    assert int(answer["Retry-After"]) <= 30
    assert "in 1 minute." in answer.content.decode()
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=15, seconds=1))
    assert log_in().status_code == 302


def test_a_right_password_forgives_the_wrong_ones_before_it() -> None:
    guess(4)
    assert log_in().status_code == 302
    assert guess(4) == [200] * 4


def test_the_owner_gets_in_from_elsewhere_meanwhile() -> None:
    guess(6)
    assert log_in(address="198.51.100.7").status_code == 302


def test_another_name_is_not_locked_with_it() -> None:
    User.objects.create_superuser("boris", password=PASSWORD)
    guess(6)
    assert log_in(name="boris").status_code == 302


def spray(times: int, first: int = 0, **how: str) -> list[int]:
    """A wrong password for each of many names."""
    return [
        log_in("wrong", name=f"name {number}", **how).status_code for number in range(first, first + times)
    ]


def test_an_address_is_limited_over_all_names_whether_they_exist_or_not() -> None:
    assert set(spray(20)) == {200}
    answer = log_in("wrong", name="another")
    assert (answer.status_code, log_in().status_code) == (429, 429)
    assert 880 <= int(answer["Retry-After"]) <= 900
    assert "Too many wrong passwords. Please try again in 15 minutes." in answer.content.decode()
    assert log_in(address="198.51.100.7").status_code == 302


def test_guesses_at_one_name_count_for_the_address_too() -> None:
    guess(4)
    spray(16)
    assert log_in(name="another").status_code == 429


def test_an_address_is_limited_with_all_of_its_ipv6_network() -> None:
    for number in range(20):
        spray(1, first=number, address=f"2001:db8:1:2::{number:x}")
    assert log_in(address="2001:db8:1:2:ffff::1").status_code == 429
    assert log_in(address="2001:db8:1:3::1").status_code == 302


def test_an_address_may_try_again_once_enough_is_forgotten_and_trying_does_not_prolong_it() -> None:
    spray(20)
    old = AccessAttempt.objects.order_by("attempt_time")[:2].values_list("pk", flat=True)
    moments_left = timezone.now() - timedelta(minutes=14, seconds=30)
    AccessAttempt.objects.filter(pk__in=list(old)).update(attempt_time=moments_left)
    assert int(log_in("wrong", name="another")["Retry-After"]) <= 30
    AccessAttempt.objects.filter(attempt_time=moments_left).update(
        attempt_time=timezone.now() - timedelta(minutes=15, seconds=1)
    )
    assert spray(2, first=100) == [200, 200]
    assert log_in(name="another").status_code == 429


def test_an_address_that_waits_has_no_password_hashed(monkeypatch: pytest.MonkeyPatch) -> None:
    spray(20)
    hashed: list[str] = []
    monkeypatch.setattr(MD5PasswordHasher, "encode", lambda hasher, password, salt: hashed.append(password))
    assert log_in(name="another").status_code == 429
    assert log_in().status_code == 429
    assert hashed == []


def test_a_claimed_address_is_not_believed() -> None:
    """Only REMOTE_ADDR counts, whatever a header says."""
    for number in range(5):
        Client().post(
            "/admin/login/",
            {"username": "anna", "password": "wrong"},
            REMOTE_ADDR="203.0.113.5",
            headers={"X-Forwarded-For": f"192.0.2.{number}", "X-Real-IP": f"192.0.2.{number}"},
        )
    assert log_in().status_code == 429


def test_another_browser_and_the_rest_of_an_ipv6_network_are_the_same_address() -> None:
    for number in range(5):
        Client(headers={"User-Agent": f"browser {number}"}).post(
            "/admin/login/",
            {"username": "anna", "password": "wrong"},
            REMOTE_ADDR=f"2001:db8:1:2::{number:x}",
        )
    assert log_in(address="2001:db8:1:2:ffff::1").status_code == 429
    assert log_in(address="2001:db8:1:3::1").status_code == 302


def test_no_password_is_kept_of_the_guesses() -> None:
    guess(2)
    assert "wrong 1" not in str(list(AccessAttempt.objects.values()))


def test_the_command_forgives(capsys: pytest.CaptureFixture[str]) -> None:
    guess(6)
    call_command("reset_second_factor", "anna")
    assert "Wrong passwords forgiven: 1" in capsys.readouterr().out
    assert log_in().status_code == 302
