"""The dashboard's buttons on payments: refund, dispute, the bank's verdict, how a delayed payment ends."""

import pytest
from playwright.sync_api import expect

from sandbox_testing.chromium import visitor
from sandbox_testing.own import own_sandbox
from sandbox_testing.shopping import open_session, session_of

pytestmark = pytest.mark.browser


@pytest.fixture
def own():
    with own_sandbox() as own:
        yield own


@pytest.fixture
def page(browser):
    with visitor(browser, viewport={"width": 1280, "height": 800}) as context:
        page = context.new_page()
        complaints = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        yield page
    assert complaints == []


@pytest.fixture
def detail(own, page):
    def opened(kind, id):
        page.goto(f"{own.url}/#{kind}/{id}")
        expect(page.locator("#detail .id")).to_have_text(id)
        return page.locator("#detail")

    return opened


def paid(own, amount=1000, **sent):
    intent = own.client.v1.payment_intents.create({"amount": amount, "currency": "eur"})
    own.control("POST", f"intents/{intent.id}/pay", sent or {"card": "4242424242424242"})
    return own.client.v1.payment_intents.retrieve(intent.id)


def charge_of(own, intent):
    return own.client.v1.charges.retrieve(intent.latest_charge)


def test_a_charge_is_refunded_in_part_and_then_whole(own, detail):
    intent = paid(own)
    pane = detail("charge", intent.latest_charge)
    pane.get_by_label("Amount in minor units").fill("300")
    pane.get_by_role("button", name="Refund").click()
    expect(pane).to_contain_text('"amount_refunded": 300')
    pane.get_by_role("button", name="Refund").click()
    expect(pane).to_contain_text('"refunded": true')
    expect(pane.get_by_role("button", name="Refund")).to_have_count(0)
    assert [refund.amount for refund in own.client.v1.refunds.list().data] == [700, 300]


@pytest.mark.parametrize(("typed", "words"), [("12.50", "whole number"), ("2000", "greater than unrefunded")])
def test_an_amount_that_cannot_be_is_said_in_words_and_refunds_nothing(own, page, detail, typed, words):
    intent = paid(own)
    pane = detail("charge", intent.latest_charge)
    pane.get_by_label("Amount in minor units").fill(typed)
    pane.get_by_role("button", name="Refund").click()
    expect(page.locator("#notice")).to_contain_text(words)
    assert charge_of(own, intent).amount_refunded == 0


@pytest.mark.parametrize(("verdict", "status"), [("Won", "won"), ("Lost", "lost")])
def test_a_charge_is_disputed_and_the_bank_decides(own, detail, verdict, status):
    intent = paid(own)
    pane = detail("charge", intent.latest_charge)
    pane.get_by_label("Reason of the dispute").select_option("duplicate")
    pane.get_by_role("button", name="Dispute").click()
    expect(pane).to_contain_text('"disputed": true')
    expect(pane.get_by_role("button", name="Dispute")).to_have_count(0)
    [dispute] = own.client.v1.disputes.list().data
    assert dispute.reason == "duplicate"
    pane = detail("dispute", dispute.id)
    pane.get_by_role("button", name=verdict).click()
    expect(pane).to_contain_text(f'"status": "{status}"')
    expect(pane.get_by_role("button", name=verdict)).to_have_count(0)


def test_an_inquiry_can_only_be_ended(own, detail):
    paid(own, card="4000000000001976")
    [inquiry] = own.client.v1.disputes.list().data
    pane = detail("dispute", inquiry.id)
    expect(pane.get_by_role("button")).to_have_count(1)
    pane.get_by_role("button", name="End the inquiry").click()
    expect(pane).to_contain_text('"status": "warning_closed"')


@pytest.mark.parametrize(
    ("choice", "status"),
    [("The money comes", "succeeded"), ("The money doesn't come", "requires_payment_method")],
)
@pytest.mark.parametrize("kind", ["charge", "payment_intent"])
def test_a_delayed_payment_ends_as_the_button_says(own, detail, kind, choice, status):
    intent = paid(own, delayed="succeeds")
    pane = detail(kind, intent.latest_charge if kind == "charge" else intent.id)
    pane.get_by_role("button", name=choice, exact=True).click()
    expect(pane.get_by_role("button", name=choice, exact=True)).to_have_count(0)
    assert own.client.v1.payment_intents.retrieve(intent.id).status == status


def test_delayed_payments_are_switched_on_and_off(own, page):
    page.goto(f"{own.url}/#checkout.session")
    switch = page.get_by_label("Delayed payments")
    expect(switch).not_to_be_checked()
    switch.check()
    expect(switch).to_be_enabled()
    session = open_session(own, currency="eur")
    assert session_of(own, session.id).payment_method_types == ["card", "sepa_debit"]
    page.reload()
    expect(switch).to_be_checked()
