"""Mails leave once: leases, retries, a dying sender, a server that refuses; spoken to a real mail server."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from kopeck.mail import jobs as mail_jobs
from kopeck.mail.models import Mail
from kopeck.stopping import Stopping
from tests.mail.post_office import PostOffice
from tests.support.buying import paid_order
from tests.support.shop import ShopSandbox
from tests.support.statements import statements
from tests.support.worker import forget_jobs, work

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def post(settings: Any) -> Iterator[PostOffice]:
    office = PostOffice()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", office.port
    settings.DEFAULT_FROM_EMAIL = "Kopeck <shop@shop.example>"
    yield office
    office.close()


class PowerCut(BaseException):
    pass


@pytest.fixture
def mail(sandbox: ShopSandbox, buyer: Client, deliver: Any, post: PostOffice) -> Mail:
    """A receipt that is owed."""
    forget_jobs()
    paid_order(sandbox, buyer, deliver)
    return Mail.objects.get()


def wait_no_longer() -> None:
    """As if the time of every lease and pause had come."""
    Mail.objects.update(due_at=timezone.now(), lease_until=None)


def state(mail: Mail) -> tuple[str, int]:
    mail.refresh_from_db()
    return mail.status, mail.tries


def test_a_mail_goes_out_with_its_words_twice_and_its_own_id(mail: Mail, post: PostOffice) -> None:
    work()
    (received,) = post.mails
    assert received["Message-ID"] == f"<{mail.key}@shop.example>"
    assert (received["To"], received["From"]) == ("buyer@example.com", "Kopeck <shop@shop.example>")
    assert received["Auto-Submitted"] == "auto-generated"
    assert [part.get_content_type() for part in received.iter_parts()] == ["text/plain", "text/html"]
    assert state(mail) == ("sent", 1)


def test_many_senders_at_once_send_one(mail: Mail, post: PostOffice) -> None:
    """pain 3"""

    def attempt(_number: int) -> bool | None:
        done = mail_jobs.deliver(mail.pk)
        connection.close()
        return done

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(attempt, range(8)), key=str) == [None] * 7 + [True]
    work()
    assert (len(post.mails), state(mail)) == (1, ("sent", 1))


def test_a_server_that_died_after_taking_it_is_asked_again_with_the_same_mail(
    mail: Mail, post: PostOffice
) -> None:
    """pain 18: a buyer who gets both sees one mail"""
    post.drop = True
    assert mail_jobs.deliver(mail.pk) is False
    assert state(mail) == ("waiting", 1)
    post.drop = False
    mail_jobs.send_due(0)
    assert len(post.mails) == 1  # its time has not come
    wait_no_longer()
    mail_jobs.send_due(0)
    first, second = post.mails
    assert first["Message-ID"] == second["Message-ID"]
    assert first.get_body(("plain",)).get_content() == second.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert state(mail) == ("sent", 2)


def test_a_sender_that_was_killed_leaves_a_lease_that_ends(
    mail: Mail, post: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_args: Any) -> None:
        raise PowerCut

    with monkeypatch.context() as patch:
        patch.setattr("django.core.mail.EmailMultiAlternatives.send", die)
        with pytest.raises(PowerCut):
            mail_jobs.deliver(mail.pk)
    assert mail_jobs.deliver(mail.pk) is None  # it may live still
    wait_no_longer()
    forget_jobs()
    mail_jobs.send_due(0)
    assert (len(post.mails), state(mail)) == (1, ("sent", 2))


def test_a_lost_job_is_made_good_by_the_sweep(mail: Mail, post: PostOffice) -> None:
    forget_jobs()
    mail_jobs.send_due(0)
    assert (len(post.mails), state(mail)) == (1, ("sent", 1))


def test_a_server_that_is_away_is_asked_less_and_less_and_given_up_after_a_day_and_a_half(
    mail: Mail, settings: Any
) -> None:
    settings.EMAIL_PORT = 9
    waited = timedelta()
    while state(mail)[0] == "waiting":
        wait_no_longer()
        before = timezone.now()
        mail_jobs.send_due(0)
        mail.refresh_from_db()
        waited += mail.due_at - before
    assert state(mail) == ("failed", mail_jobs.MAX_TRIES)
    assert timedelta(hours=36) < waited < timedelta(hours=60)
    assert "ConnectionRefusedError" in mail.problem


def test_an_address_that_takes_no_mail_is_given_up_at_once_and_sent_again_from_the_admin(
    mail: Mail, post: PostOffice, owner: Client
) -> None:
    post.refuse = "550 no such person"
    work()
    assert state(mail) == ("failed", 1)
    assert "no such person" in mail.problem
    page = owner.get(f"/admin/orders/order/{mail.order_id}/why/").content.decode()
    assert "no such person" in page
    post.refuse = ""
    chosen = {"action": "send_again", "_selected_action": mail.pk}
    assert "1 mail is sent again" in owner.post("/admin/mail/mail/", chosen, follow=True).content.decode()
    work()
    assert (len(post.mails), state(mail)) == (1, ("sent", 1))
    owner.post("/admin/mail/mail/", chosen)  # it was sent: not twice
    work()
    assert len(post.mails) == 1


def test_an_address_that_is_busy_is_tried_again(mail: Mail, post: PostOffice) -> None:
    post.refuse = "451 try later"
    work()
    assert state(mail) == ("waiting", 1)
    post.refuse = ""
    wait_no_longer()
    mail_jobs.send_due(0)
    assert state(mail) == ("sent", 2)


def test_a_template_that_breaks_stops_the_mail_and_not_the_payment(
    mail: Mail, post: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("kopeck.mail.texts.render_to_string", lambda *_: 1 / 0)
        work()
    assert state(mail) == ("waiting", 1)
    assert "ZeroDivisionError" in mail.problem
    assert mail.order.status == "paid"
    wait_no_longer()
    mail_jobs.send_due(0)
    assert (len(post.mails), state(mail)) == (1, ("sent", 2))


def test_many_receipts_are_sent_by_few_statements(
    mail: Mail, post: PostOffice, sandbox: ShopSandbox, deliver: Any
) -> None:
    for _time in range(4):
        paid_order(sandbox, Client(), deliver)
    with statements() as sent:
        mail_jobs.send_due(0)
    # Which are due, their leases, the receipts' numbers (two), lines and taxes; then the words of each, and
    # that it is sent.
    assert len(sent) == 6 + 2 * 5, sent
    assert (len(post.mails), Mail.objects.filter(status="sent", tries=1).count()) == (5, 5)


def test_one_that_cannot_be_written_stops_none_of_the_others(
    mail: Mail, post: PostOffice, sandbox: ShopSandbox, deliver: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    paid_order(sandbox, Client(), deliver)
    write = mail_jobs.write

    def half(one: Mail) -> None:
        write(one)
        if one.pk == mail.pk:
            one.html = ""
            raise ValueError("no words")

    with monkeypatch.context() as broken:
        broken.setattr(mail_jobs, "write", half)
        mail_jobs.send_due(0)
    assert (len(post.mails), state(mail), mail.text) == (1, ("waiting", 1), "")
    wait_no_longer()
    mail_jobs.send_due(0)
    assert (len(post.mails), state(mail)) == (2, ("sent", 2))


@pytest.mark.parametrize("death", [PowerCut, Stopping])
def test_a_batch_that_ends_early_gives_back_what_it_has_not_begun(
    death: type[BaseException],
    mail: Mail,
    post: PostOffice,
    sandbox: ShopSandbox,
    deliver: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for _time in range(2):
        paid_order(sandbox, Client(), deliver)

    def die(*_args: Any) -> None:
        raise death

    with monkeypatch.context() as patch:
        patch.setattr("django.core.mail.EmailMultiAlternatives.send", die)
        with pytest.raises(death):
            mail_jobs.send_due(0)
    begun = Mail.objects.get(tries=1)
    assert begun.is_leased
    assert Mail.objects.filter(tries=0, lease_until=None, status="waiting").count() == 2
    mail_jobs.send_due(0)  # another worker
    assert len(post.mails) == 2
    wait_no_longer()
    mail_jobs.send_due(0)
    assert (len(post.mails), Mail.objects.filter(status="sent").count()) == (3, 3)


def test_a_batch_begins_no_mail_when_half_of_its_lease_is_over(
    mail: Mail, post: PostOffice, sandbox: ShopSandbox, deliver: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    paid_order(sandbox, Client(), deliver)
    clock = iter([0.0, 1.0])
    monkeypatch.setattr(mail_jobs, "monotonic", lambda: next(clock, 1000.0))
    mail_jobs.send_due(0)
    assert (len(post.mails), Mail.objects.filter(tries=0, lease_until=None).count()) == (1, 1)


def test_a_dead_server_does_not_hold_up_the_sweep(
    mail: Mail, settings: Any, sandbox: ShopSandbox, deliver: Any
) -> None:
    for _time in range(mail_jobs.PATIENCE + 1):
        paid_order(sandbox, Client(), deliver)
    settings.EMAIL_PORT = 9
    mail_jobs.send_due(0)
    assert Mail.objects.filter(tries=1).count() == mail_jobs.PATIENCE


def test_the_owner_sees_every_mail_and_its_words_on_the_why_page(
    mail: Mail, post: PostOffice, owner: Client
) -> None:
    address = f"/admin/orders/order/{mail.order_id}/why/"
    assert "waiting" in owner.get(address).content.decode()
    work()
    page = owner.get(address).content.decode()
    mail.refresh_from_db()
    assert mail.subject in page
    assert "Thank you. Order" in page
    listed = owner.get("/admin/mail/mail/").content.decode()
    assert mail.subject in listed
    assert owner.get(f"/admin/mail/mail/{mail.pk}/change/").status_code == 200
