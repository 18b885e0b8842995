"""The sandbox's own page at /: what it lists, what it sends again, and its switches, in headless Chromium."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from sandbox_testing.chromium import visitor
from sandbox_testing.own import SECRET, Own, eventually, own_sandbox, receiving
from sandbox_testing.shopping import look, open_session, session_of, submit
from stripe_sandbox.rules.currencies import CURRENCIES
from stripe_sandbox.rules.money import format_amount

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def shop():
    with receiving() as shop:
        yield shop


@pytest.fixture(scope="module")
def own(shop) -> Iterator[Own]:
    with own_sandbox(webhooks=(f"{shop.url}={SECRET}",)) as own:
        yield own


@pytest.fixture(autouse=True)
def quiet(own, shop):
    """Each test meets an empty, healthy sandbox and a shop that answers 200."""
    own.control("POST", "reset")
    shop.received.clear()
    shop.answers.clear()


@pytest.fixture
def page(browser) -> Iterator[Page]:
    with visitor(browser, viewport={"width": 1280, "height": 800}) as context:
        page = context.new_page()
        complaints = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda line: complaints.append(line.text))
        yield page
    # A setting refused on purpose, a sandbox gone on purpose.
    expected = re.compile("status of 400|ERR_FAILED")
    assert [text for text in complaints if not expected.search(text)] == []


def row(page: Page, words: str):
    return page.locator("tbody tr", has_text=words)


def test_the_page_says_that_it_is_a_sandbox_and_holds_no_inline_script(own):
    answer = look(own.url + "/")
    assert "Local sandbox" in answer.text
    assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
    assert not re.search(r"<script(?![^>]*\bsrc=)|\sstyle=", answer.text)


def test_a_payment_appears_in_the_open_page_with_its_events_and_the_shops_answers(own, page):
    page.goto(own.url)
    expect(page.locator("#live")).to_have_text("live")
    session = open_session(own)
    submit(session.url)
    completed = row(page, "checkout.session.completed")
    expect(completed).to_contain_text("200")
    completed.click()
    payload = page.locator("#detail")
    expect(payload).to_contain_text('"type": "checkout.session.completed"')
    expect(payload).to_contain_text(session.id)


def test_resend_sends_the_event_again_with_a_new_signature(own, shop, page):
    submit(open_session(own).url)
    eventually(lambda: "checkout.session.completed" in shop.types())
    page.goto(f"{own.url}/#delivery")
    before = len(shop.received)
    row(page, "checkout.session.completed").get_by_role("button", name="Resend").click()
    expect(page.locator("#notice")).to_have_text("Sent. Answered: 200.")
    again = shop.received[before:]
    assert [received.event().type for received in again] == ["checkout.session.completed"]


def test_a_failed_delivery_shows_the_shops_answer(own, shop, page):
    own.faults(webhook_retry_seconds=[3600])
    shop.answers[:] = [(500, b"Server Error (500)")] * 20
    open_session(own)
    page.goto(f"{own.url}/#delivery")
    row(page, "product.created").first.click()
    expect(page.locator(".attempts .code")).to_have_text("500")
    expect(page.locator(".attempts pre")).to_have_text("Server Error (500)")


def test_paused_webhooks_wait_until_they_are_delivered_by_hand(own, shop, page):
    page.goto(f"{own.url}/#faults")
    page.get_by_label("webhooks_paused").check()
    eventually(lambda: own.control("GET", "faults")[1]["webhooks_paused"])
    submit(open_session(own).url)
    page.goto(f"{own.url}/#delivery")
    expect(row(page, "checkout.session.completed")).to_contain_text("pending")
    assert shop.received == []
    page.get_by_role("button", name="Deliver what waits").click()
    expect(row(page, "checkout.session.completed")).to_contain_text("succeeded")
    assert "checkout.session.completed" in shop.types()


def test_a_session_links_to_its_checkout_page_and_an_id_to_its_object(own, page):
    session = open_session(own)
    submit(session.url)
    intent = session_of(own, session.id).payment_intent
    page.goto(f"{own.url}/#checkout.session/{session.id}")
    link = page.get_by_role("link", name="Checkout page")
    assert link.evaluate("link => link.href") == f"{own.url}/c/pay/{session.id}"
    page.locator(".json a", has_text=intent).click()
    expect(page.locator("#title")).to_have_text("Payment intents")
    expect(page.locator("#detail .id")).to_have_text(intent)
    expect(page.locator("#detail")).to_contain_text('"status": "succeeded"')


def test_a_rate_set_with_its_slider_is_set_in_the_sandbox(own, page):
    page.goto(f"{own.url}/#faults")
    page.get_by_label("rate_limit_rate").fill("0.5")
    eventually(lambda: own.control("GET", "faults")[1]["rate_limit_rate"] == 0.5)
    expect(page.locator(".fault.changed")).to_contain_text("rate_limit_rate")


def test_a_fault_that_the_sandbox_refuses_is_said_in_words_and_changes_nothing(own, page):
    page.goto(f"{own.url}/#faults")
    field = page.get_by_label("latency_ms")
    field.fill('"slow"')
    field.press("Enter")
    expect(page.locator("#notice")).to_contain_text("latency_ms is a number of milliseconds")
    assert own.control("GET", "faults")[1]["latency_ms"] == 0


def test_moving_the_clock_expires_a_session(own, page):
    session = open_session(own, expires_at=own.box.clock.now() + 1800)
    page.goto(f"{own.url}/#checkout.session")
    expect(row(page, session.id[:20])).to_contain_text("open")
    page.get_by_role("button", name="+31 min").click()
    expect(row(page, session.id[:20])).to_contain_text("expired")
    expect(page.locator("#clock")).to_contain_text("+31 min")


def test_one_account_can_be_chosen(own, page):
    open_session(own)
    own.client_of("neighbour").v1.customers.create({"name": "Grace"})
    page.goto(f"{own.url}/#customer")
    expect(row(page, "Grace")).to_be_visible()
    page.get_by_label("Account").select_option(own.tail)
    expect(row(page, "Grace")).to_have_count(0)
    page.get_by_label("Account").select_option("neighbour")
    expect(row(page, "Grace")).to_be_visible()


def test_reset_asks_first_and_then_forgets_everything(own, page):
    open_session(own)
    page.goto(f"{own.url}/#checkout.session")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.once("dialog", lambda dialog: dialog.dismiss())
    page.get_by_role("button", name="Reset").click()
    assert len(own.client.v1.checkout.sessions.list().data) == 1
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Reset").click()
    expect(page.locator("#rows")).to_have_text("Nothing here yet.")
    assert own.client.v1.checkout.sessions.list().data == []


def test_what_a_shop_sends_cannot_become_markup(own, page):
    own.client.v1.customers.create({"name": "<img src=x onerror=alert(1)>"})
    page.goto(f"{own.url}/#customer")
    row(page, "<img src=x").click()
    expect(page.locator("#detail")).to_contain_text("<img src=x onerror=alert(1)>")
    assert page.locator("#rows img, #detail img").count() == 0


@pytest.mark.parametrize(
    ("amount", "currency", "words"),
    [
        (1900, "usd", "$19.00"),
        (1900, "jpy", "¥1,900"),
        (12340, "kwd", "KWD 12.340"),
        (50000, "isk", "ISK 500"),
        (50000, "huf", "HUF 500.00"),
    ],
)
def test_an_amount_is_written_as_money_and_the_payload_keeps_minor_units(own, page, amount, currency, words):
    intent = own.client.v1.payment_intents.create({"amount": amount, "currency": currency})
    page.goto(f"{own.url}/#payment_intent/{intent.id}")
    expect(page.locator("tbody td.number")).to_have_text(words)
    expect(page.locator("#detail")).to_contain_text(f'"amount": {amount}')


def test_money_that_goes_has_its_sign_before_it(own, page):
    intent = own.client.v1.payment_intents.create({"amount": 3900, "currency": "usd"})
    own.control("POST", f"intents/{intent.id}/pay", {"card": "4242424242424242"})
    own.client.v1.refunds.create({"payment_intent": intent.id})
    page.goto(f"{own.url}/#balance_transaction")
    expect(page.locator("tbody td.number")).to_have_text(["-$39.00", "$39.00"])


def test_in_every_currency_the_digits_are_those_that_the_other_pages_print(own, page):
    page.goto(own.url)
    shown = page.evaluate(
        """async (currencies) => {
          const { moneyText } = await import("/assets/dashboard_data.js");
          return Object.fromEntries(currencies.map((currency) => [currency, moneyText(123400, currency)]));
        }""",
        sorted(CURRENCIES),
    )
    number = re.compile(r"\d[\d,.]*")
    numbers = {currency: number.findall(text) for currency, text in shown.items()}
    assert numbers == {of: number.findall(format_amount(123400, of)) for of in CURRENCIES}


@pytest.mark.parametrize("kind", ["event", "delivery"])
def test_at_a_desk_each_row_is_one_line(own, page, kind):
    submit(open_session(own).url)
    page.goto(f"{own.url}/#{kind}")
    completed = row(page, "checkout.session.completed")
    expect(completed).to_contain_text("200")
    heights = page.locator("tbody tr").evaluate_all("rows => rows.map((row) => row.offsetHeight)")
    assert max(heights) < 2 * 20, heights  # a line has 20 px
    assert page.locator("#rows").evaluate("list => list.scrollWidth - list.clientWidth") == 0


@pytest.mark.parametrize("kind", ["event", "delivery", "checkout.session", "faults"])
def test_on_a_phone_the_page_is_no_wider_than_the_screen(own, page, kind):
    submit(open_session(own).url)
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(f"{own.url}/#{kind}")
    expect(page.locator("#live")).to_have_text("live")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.locator("#kinds [aria-current]").bounding_box()["x"] < 390


def test_it_says_so_when_the_sandbox_is_gone_and_comes_back_with_it(browser, page):
    with own_sandbox() as own:
        page.goto(own.url)
        expect(page.locator("#live")).to_have_text("live")
        page.route("**/_sandbox/**", lambda route: route.abort())
        expect(page.locator("#live")).to_have_text("not answering")
        page.unroute("**/_sandbox/**")
        expect(page.locator("#live")).to_have_text("live")
