"""A payment of another amount than the order's: the owner refunds it, and the order can be paid again."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.utils import timezone

from kopeck.mail.models import Mail
from kopeck.mail.texts import write
from kopeck.payments.models import Payment
from kopeck.reconcile.models import Discrepancy
from kopeck.refunds.models import Refund
from tests.support.buying import Deliver, bought, events_of, states
from tests.support.comparing import run
from tests.support.refunding import at_stripe, in_review
from tests.support.shop import ShopSandbox
from tests.support.worker import forget_jobs, work

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def payment(sandbox: ShopSandbox, buyer: Client) -> Payment:
    return in_review(sandbox, buyer)


def address(payment: Payment) -> str:
    return f"/admin/payments/payment/{payment.pk}/refund/"


def pages_of(payment: Payment) -> tuple[str, str]:
    return f"/admin/payments/payment/{payment.pk}/change/", f"/admin/orders/order/{payment.order_id}/why/"


def test_the_owner_sees_what_stripe_has_and_refunds_it(
    sandbox: ShopSandbox, buyer: Client, owner: Client, payment: Payment
) -> None:
    assert states(payment.order) == ("processing", ["needs_review"])
    for page in pages_of(payment):
        assert address(payment) in owner.get(page).content.decode()
    page = owner.get(address(payment)).content.decode()
    assert "$48.20" in page
    assert "Stripe took 48.20 USD, not 40.00 USD" in page
    answer = owner.post(address(payment), follow=True).content.decode()
    assert "The refund of $48.20 is on its way to the buyer." in answer
    refund = Refund.objects.get()
    assert (refund.status, refund.source, refund.requested_by, refund.amount) == (
        "succeeded", "staff", "owner", 4820,
    )  # fmt: skip
    assert at_stripe(sandbox) == [4820]
    for page in pages_of(payment):
        assert address(payment) not in owner.get(page).content.decode()
    assert states(payment.order) == ("open", ["needs_review"])
    assert run()["code"] == 0
    assert not Discrepancy.objects.filter(gone=None).exists()
    session_id = buyer.get(f"/order/{payment.order_id}/buy").json()["session_id"]
    sandbox.pay(session_id)
    run()
    assert states(payment.order) == ("paid", ["needs_review", "paid"])
    assert "There is nothing to refund." in owner.get(address(payment), follow=True).content.decode()


def test_the_buyer_reads_why_it_went_back(
    sandbox: ShopSandbox, buyer: Client, owner: Client, payment: Payment
) -> None:
    """It was no second payment: nothing else had paid the order then."""
    owner.post(address(payment))
    sandbox.pay(buyer.get(f"/order/{payment.order_id}/buy").json()["session_id"])
    run()
    page = buyer.get(f"/order/{payment.order_id}").content.decode()
    assert "Payment of another amount, refunded" in page
    assert "Second payment" not in page
    mail = Mail.objects.get(kind="refund")
    write(mail)
    assert "was not of the order’s total. We refund it: $48.20" in mail.text
    assert "paid twice" not in mail.text + mail.html


def test_who_may_not_refund_is_led_to_no_page_that_refuses_them(payment: Payment) -> None:
    reader = User.objects.create_user("reader", is_staff=True)
    views = Permission.objects.filter(codename__in=["view_order", "view_payment"])
    reader.user_permissions.set(views)
    client = Client()
    client.force_login(reader)
    assert client.get(address(payment)).status_code == 403
    for page in pages_of(payment):
        html = client.get(page).content.decode()
        assert payment.problem in html
        assert address(payment) not in html


def test_pressed_by_ten_at_once_it_goes_back_once(sandbox: ShopSandbox, payment: Payment) -> None:
    """pain 18"""
    user = User.objects.create_superuser("boss")

    def press(_number: int) -> int:
        client = Client(raise_request_exception=False)
        client.force_login(user)
        status: int = client.post(address(payment)).status_code
        connection.close()
        return status

    with ThreadPoolExecutor(10) as pool:
        assert set(pool.map(press, range(10))) == {302}
    assert (at_stripe(sandbox), Refund.objects.count()) == ([4820], 1)


def test_what_was_refunded_at_stripe_already_is_not_refunded_again(
    sandbox: ShopSandbox, owner: Client, payment: Payment
) -> None:
    sandbox.stripe.v1.refunds.create({"payment_intent": payment.payment_intent, "amount": 4000})
    owner.post(address(payment))
    assert at_stripe(sandbox) == [4000, 820]
    assert "refunded already" in owner.post(address(payment), follow=True).content.decode()
    assert at_stripe(sandbox) == [4000, 820]


def test_refunded_at_stripes_dashboard_it_lets_the_order_be_paid_again_too(
    sandbox: ShopSandbox, deliver: Deliver, payment: Payment
) -> None:
    forget_jobs()
    intent = {"payment_intent": payment.payment_intent}
    for amount, status in ((4000, "processing"), (820, "open")):  # only once all of it is refunded
        refund = sandbox.stripe.v1.refunds.create({**intent, "amount": amount})
        (event,) = [
            one for one in events_of(sandbox, "refund.created") if one["data"]["object"]["id"] == refund.id
        ]
        assert deliver(event).json()["status"] == "done"
        work()
        assert states(payment.order) == (status, ["needs_review"])


def test_where_stripe_is_away_nothing_is_refunded_and_the_owner_is_told_so(
    sandbox: ShopSandbox, owner: Client, payment: Payment
) -> None:
    sandbox.control("PUT", "faults", {"error_rate": 1})
    page = owner.post(address(payment)).headers["Location"]
    sandbox.control("PUT", "faults", {"error_rate": 0})
    assert "Nothing was refunded. Please try again later." in owner.get(page).content.decode()
    assert (Refund.objects.count(), at_stripe(sandbox)) == (0, [])


def test_of_what_was_captured_in_part_only_that_goes_back(
    sandbox: ShopSandbox, owner: Client, payment: Payment
) -> None:
    intents = sandbox.stripe.v1.payment_intents
    intent = intents.create(
        {
            "amount": 4820,
            "currency": "usd",
            "capture_method": "manual",
            "confirm": True,
            "payment_method": "pm_card_visa",
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        }
    )
    intents.capture(intent.id, {"amount_to_capture": 3000})
    Payment.objects.update(payment_intent=intent.id)
    assert "$30.00" in owner.get(address(payment)).content.decode()
    owner.post(address(payment))
    assert at_stripe(sandbox) == [3000]
    charge = intents.retrieve(intent.id, {"expand": ["latest_charge"]}).latest_charge
    assert (charge.refunded, charge.amount_refunded) == (True, 4820)


def test_a_refund_whose_answer_is_lost_is_retried(
    sandbox: ShopSandbox, owner: Client, payment: Payment
) -> None:
    sandbox.control(
        "PUT", "faults", {"next": [{"kind": "cut_after", "path": "/v1/refunds", "method": "POST"}]}
    )
    assert (
        "The refund will be retried automatically"
        in owner.post(address(payment), follow=True).content.decode()
    )
    assert (at_stripe(sandbox), Refund.objects.get().status) == ([4820], "creating")
    Refund.objects.update(created=timezone.now() - timedelta(minutes=5))
    assert run()["code"] == 0
    assert (at_stripe(sandbox), Refund.objects.get().status) == ([4820], "succeeded")
    assert states(payment.order)[0] == "open"


def test_a_payment_that_needs_no_review_is_not_refunded_here(
    sandbox: ShopSandbox, buyer: Client, owner: Client
) -> None:
    payment = bought(buyer)
    assert address(payment) not in owner.get(f"/admin/payments/payment/{payment.pk}/change/").content.decode()
    assert "This payment needs no review." in owner.post(address(payment), follow=True).content.decode()
    assert owner.get("/admin/payments/payment/999/refund/").status_code == 404


def test_it_takes_the_permission_to_refund(sandbox: ShopSandbox, buyer: Client, payment: Payment) -> None:
    clerk = User.objects.create_user("clerk", is_staff=True)
    clerk.user_permissions.add(Permission.objects.get(codename="view_payment"))
    client = Client(raise_request_exception=False)
    client.force_login(clerk)
    assert (
        address(payment) not in client.get(f"/admin/payments/payment/{payment.pk}/change/").content.decode()
    )
    assert client.post(address(payment)).status_code == 403
    assert buyer.post(address(payment)).status_code == 302
    assert at_stripe(sandbox) == []
