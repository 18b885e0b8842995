"""What holds at Stripe must hold here: run against the sandbox always, and against Stripe's own test mode too
when STRIPE_TEST_KEY is set (sk_test_...; it makes objects in that account, and needs no browser).

    STRIPE_TEST_KEY=sk_test_... pytest -m contract

Where Stripe differs from the sandbox a test fails, unless known_differences.py lists it. The sandbox is asked
in older API versions too, whose answers the spec of the newest cannot be held against.
"""

import os
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import stripe

from sandbox_testing.asking import intent, refusal, unique
from sandbox_testing.orders import line, open_session, order
from stripe_sandbox.app import SandboxServer
from stripe_sandbox.box import Box

pytestmark = pytest.mark.contract
Client = stripe.StripeClient


@dataclass(frozen=True)
class Target:
    """Who is asked: `name` is "sandbox", "sandbox in" an older version, or "stripe"."""

    name: str
    client: Client
    newest: bool = True


KEY = os.environ.get("STRIPE_TEST_KEY", "")
#: Who is asked in Stripe's place: another sandbox, where test_known_differences.py proves that this works.
BASE = os.environ.get("STRIPE_TEST_BASE", "https://api.stripe.com")
OLDER = ("2025-03-31.basil", "2022-11-15")
ALL = ["sandbox", *OLDER, *(["stripe"] if KEY else [])]


@pytest.fixture(scope="module")
def unchecked() -> Iterator[str]:
    """The address of a sandbox whose answers are held against nothing."""
    box = Box()
    server = SandboxServer(box).start()
    yield server.url
    server.stop()
    box.close()


@pytest.fixture(params=ALL)
def target(request: pytest.FixtureRequest, account: str) -> Target:
    if request.param == "sandbox":
        return Target("sandbox", request.getfixturevalue("client"))
    if request.param in OLDER:
        api = {"api": request.getfixturevalue("unchecked")}
        older = stripe.StripeClient(
            f"sk_test_{account}",
            stripe_version=request.param,
            base_addresses=api,  # type: ignore[arg-type]
        )
        return Target(f"sandbox in {request.param}", older, newest=False)
    if not KEY.startswith(("sk_test_", "rk_test_")):
        pytest.fail("STRIPE_TEST_KEY is not the key of a test mode")
    return Target("stripe", stripe.StripeClient(KEY, max_network_retries=2, base_addresses={"api": BASE}))


@pytest.fixture
def client(request: pytest.FixtureRequest, account: str, make_client: Callable[..., Client]) -> Client:
    return make_client(f"sk_test_{account}")


# -- what must hold
# ---------------------------------------------------------------------------------------------------


def test_a_new_session_is_open(target: Target) -> None:
    session = open_session(target.client, line(1500, quantity=2), adaptive_pricing={"enabled": False})
    assert session.id.startswith("cs_test_")
    assert (session.status, session.payment_status, session.payment_intent) == ("open", "unpaid", None)
    assert (session.amount_subtotal, session.amount_total, session.currency) == (3000, 3000, "usd")
    assert session.id in session.url
    assert session.expires_at - session.created == 24 * 3600
    assert session.success_url.endswith("{CHECKOUT_SESSION_ID}")


def test_an_expired_session_is_expired_once(target: Target) -> None:
    session = open_session(target.client)
    ended = target.client.v1.checkout.sessions.expire(session.id)
    assert (ended.status, ended.url) == ("expired", None)
    assert refusal(lambda: target.client.v1.checkout.sessions.expire(session.id))["status"] == 400


REFUSALS: dict[str, tuple[Callable[[Client], Any], dict[str, Any]]] = {
    "unknown coupon": (
        lambda c: c.v1.coupons.retrieve("NOPE123"),
        {
            "status": 404,
            "code": "resource_missing",
            "param": "coupon",
            "message": "No such coupon: 'NOPE123'",
        },
    ),
    "unknown tax rate": (
        lambda c: c.v1.tax_rates.retrieve("txr_nope"),
        {
            "status": 404,
            "code": "resource_missing",
            "param": "tax_rate",
            "message": "No such tax rate: 'txr_nope'",
        },
    ),
    "unknown promotion code": (
        lambda c: c.v1.promotion_codes.retrieve("promo_nope"),
        {"status": 404, "code": "resource_missing", "message": "No such promotion code: 'promo_nope'"},
    ),
    "unknown customer": (
        lambda c: c.v1.customers.retrieve("cus_nope"),
        {"status": 404, "code": "resource_missing", "message": "No such customer: 'cus_nope'"},
    ),
    "product without a name": (
        lambda c: c.v1.products.create({}),  # type: ignore[typeddict-item]
        {"status": 400, "code": "parameter_missing", "message": "Missing required param: name."},
    ),
    "unknown parameter": (
        lambda c: open_session(c, colour="red"),
        {"status": 400, "code": "parameter_unknown", "message": "Received unknown parameter: colour"},
    ),
    "discount and a field for codes": (
        lambda c: open_session(
            c, discounts=[{"coupon": c.v1.coupons.create({"percent_off": 5}).id}], allow_promotion_codes=True
        ),
        {
            "status": 400,
            "message": "You may only specify one of these parameters: allow_promotion_codes, discounts.",
        },
    ),
    "too little": (
        lambda c: open_session(c, line(49)),
        {
            "status": 400,
            "code": "amount_too_small",
            "message": "The Checkout Session's total amount due must add up to at least $0.50 USD",
        },
    ),
    "no address to come back to": (
        lambda c: open_session(c, success_url="nowhere"),
        {"status": 400, "code": "url_invalid"},
    ),
    "payment method types": (
        lambda c: c.v1.payment_intents.create(
            {"amount": 1000, "currency": "usd", "payment_method_types": ["card"]}  # type: ignore[typeddict-unknown-key]
        ),
        {"status": 400, "code": "payment_method_types_no_longer_supported"},
    ),
    "nothing to refund": (
        lambda c: c.v1.refunds.create({"charge": "ch_nope"}),
        {"status": 404, "code": "resource_missing"},
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_a_refusal_is_worded_as_stripe_words_it(target: Target, case: str) -> None:
    ask, expected = REFUSALS[case]
    if case == "payment method types" and not target.newest:
        ask(target.client)  # they were taken until 2026-09-30
        return
    told = refusal(lambda: ask(target.client))
    assert {name: told.get(name) for name in expected} == expected


def test_a_promotion_code_in_another_currency_is_refused(target: Target) -> None:
    coupon = target.client.v1.coupons.create({"amount_off": 100, "currency": "usd"})
    code = target.client.v1.promotion_codes.create({"promotion": {"type": "coupon", "coupon": coupon.id}})
    told = refusal(
        lambda: open_session(
            target.client, line(1000, currency="eur"), discounts=[{"promotion_code": code.id}]
        )
    )
    assert told["message"] == (
        "The promotion code default currency (usd) does not match the line item currency (eur)."
    )


def test_an_idempotency_key_replays_and_refuses(target: Target) -> None:
    create: Any = target.client.v1.checkout.sessions.create
    key = unique()
    first, again = create(order(), key), create(order(), key)
    assert first.id == again.id
    assert again.last_response.headers["Idempotent-Replayed"] == "true"
    told = refusal(lambda: create(order(line(2000)), key))
    assert (told["status"], told["type"]) == (400, "idempotency_error")
    assert told["message"] == (
        "Keys for idempotent requests can only be used with the same parameters they were first used with. "
        f"Try using a key other than '{key['idempotency_key']}' if you meant to execute a different request."
    )


def test_a_payment_is_refunded_in_parts_and_no_further(target: Target) -> None:
    paid = intent(target.client, "pm_card_visa")
    assert (paid.status, paid.amount_received) == ("succeeded", 1000)
    refunds = target.client.v1.refunds
    part = refunds.create({"payment_intent": paid.id, "amount": 300})
    assert (part.amount, part.status) == (300, "succeeded")
    assert refusal(lambda: refunds.create({"payment_intent": paid.id, "amount": 800}))["status"] == 400
    assert refunds.create({"payment_intent": paid.id}).amount == 700
    told = refusal(lambda: refunds.create({"payment_intent": paid.id}))
    assert told["code"] == "charge_already_refunded"
    assert told["message"] == f"Charge {paid.latest_charge} has already been refunded."


@pytest.mark.parametrize(
    ("method", "code", "decline_code"),
    [
        ("pm_card_visa_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_visa_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_visa_chargeDeclinedLostCard", "card_declined", "lost_card"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", None),
        ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc", None),
        ("pm_card_chargeDeclinedProcessingError", "processing_error", None),
    ],
)
def test_a_declined_card_is_a_card_error(
    target: Target, method: str, code: str, decline_code: str | None
) -> None:
    told = refusal(lambda: intent(target.client, method))
    assert (told["status"], told["type"], told["code"]) == (402, "card_error", code)
    if decline_code:
        assert told["decline_code"] == decline_code
    assert told["payment_intent"]["status"] == "requires_payment_method"


def test_3d_secure_is_asked_for(target: Target) -> None:
    waiting = intent(target.client, "pm_card_authenticationRequired", return_url="https://shop.example/back")
    assert (waiting.status, waiting.next_action.type) == ("requires_action", "redirect_to_url")
    assert target.client.v1.payment_intents.cancel(waiting.id).status == "canceled"


def test_a_succeeded_intent_cannot_be_cancelled(target: Target) -> None:
    paid = intent(target.client, "pm_card_visa")
    told = refusal(lambda: target.client.v1.payment_intents.cancel(paid.id))
    assert (told["status"], told["code"]) == (400, "payment_intent_unexpected_state")


# -- what only Stripe can tell: the sandbox's belief, held against Stripe's answer
# ------------------------------------


def sums(client: Client, *lines: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Each line's discount, tax and total, and the session's."""
    expand = ["line_items", "total_details.breakdown"]
    session = open_session(client, *lines, expand=expand, adaptive_pricing={"enabled": False}, **more)
    return {
        "lines": [
            (item.amount_discount, item.amount_tax, item.amount_total) for item in session.line_items.data
        ],
        "taxes": sorted(entry.amount for entry in session.total_details.breakdown.taxes),
        "total": session.amount_total,
    }


def tax(client: Client, percentage: float, *, inclusive: bool = False) -> str:
    return client.v1.tax_rates.create(
        {"display_name": "Tax", "percentage": percentage, "inclusive": inclusive}
    ).id


def off(client: Client, **coupon: Any) -> list[dict[str, str]]:
    return [{"coupon": client.v1.coupons.create(coupon).id}]  # type: ignore[arg-type]


def amount_off_and_tax(c: Client) -> Any:
    rates = [tax(c, 5)]
    lines = [line(1000, tax_rates=rates), line(2000, tax_rates=rates)]
    return sums(c, *lines, discounts=off(c, amount_off=500, currency="usd"))


def amount_off_over_three(c: Client) -> Any:
    return sums(c, line(333), line(333), line(334), discounts=off(c, amount_off=100, currency="usd"))


def amount_off_nearly_all(c: Client) -> Any:
    return sums(c, line(100), line(100), line(100), discounts=off(c, amount_off=200, currency="usd"))


def tax_ties_over_lines(c: Client) -> Any:
    rates = [tax(c, 5)]
    return sums(c, *[line(450, tax_rates=rates) for _ in range(3)])


def several_rates(c: Client) -> Any:
    return sums(c, line(1050, tax_rates=[tax(c, 5), tax(c, 7)]))


def mixed_rates(c: Client) -> Any:
    return sums(c, line(450, tax_rates=[tax(c, 5, inclusive=True), tax(c, 7)]))


def inclusive_by_line_or_sum(c: Client) -> Any:
    rates = [tax(c, 10, inclusive=True)]
    return sums(c, line(100_000, tax_rates=rates), line(5_000, tax_rates=rates))


def percentage_of_krona(c: Client) -> Any:
    return sums(c, line(55_500, currency="isk"), discounts=off(c, percent_off=33))


def percentage_of_shillings(c: Client) -> Any:
    return sums(c, line(5_550_000, currency="ugx"), discounts=off(c, percent_off=33))


def percentage_of_dinars(c: Client) -> Any:
    return sums(c, line(51_230, currency="kwd"), discounts=off(c, percent_off=33))


def two_discounts(c: Client) -> Any:
    return refusal(lambda: open_session(c, discounts=off(c, percent_off=5) + off(c, percent_off=6)))[
        "message"
    ]


def own_coupon_id_again(c: Client) -> Any:
    id = f"probe-{secrets.token_hex(6)}"
    c.v1.coupons.create({"id": id, "percent_off": 5})
    c.v1.coupons.delete(id)
    return c.v1.coupons.create({"id": id, "percent_off": 7}).percent_off


def little_money_abroad(c: Client) -> Any:
    return refusal(lambda: open_session(c, line(1, currency="czk")))["message"]


PROBES: dict[Callable[[Client], Any], Any] = {
    amount_off_and_tax: {"lines": [(166, 42, 876), (334, 83, 1749)], "taxes": [125], "total": 2625},
    amount_off_over_three: {
        "lines": [(33, 0, 300), (33, 0, 300), (34, 0, 300)],
        "taxes": [],
        "total": 900,
    },
    amount_off_nearly_all: {
        "lines": [(66, 0, 34), (66, 0, 34), (68, 0, 32)],
        "taxes": [],
        "total": 100,
    },
    tax_ties_over_lines: {"lines": [(0, 23, 473)] * 3, "taxes": [69], "total": 1419},
    several_rates: {"lines": [(0, 127, 1177)], "taxes": [53, 74], "total": 1177},
    mixed_rates: {"lines": [(0, 51, 480)], "taxes": [21, 30], "total": 480},
    inclusive_by_line_or_sum: {
        "lines": [(0, 9091, 100_000), (0, 455, 5_000)],
        "taxes": [9546],
        "total": 105_000,
    },
    percentage_of_krona: {"lines": [(18_300, 0, 37_200)], "taxes": [], "total": 37_200},
    percentage_of_shillings: {"lines": [(1_831_500, 0, 3_718_500)], "taxes": [], "total": 3_718_500},
    percentage_of_dinars: {"lines": [(16_910, 0, 34_320)], "taxes": [], "total": 34_320},
    two_discounts: "You may only specify one discount for a Checkout Session.",
    own_coupon_id_again: 7.0,
    little_money_abroad: "The Checkout Session's total amount due must add up to at least 15.00 CZK",
}


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.__name__)
def test_an_open_question_is_answered(target: Target, probe: Callable[[Client], Any]) -> None:
    believed, told = PROBES[probe], probe(target.client)
    assert told == believed, f"{target.name} says {told}, and the sandbox should say {believed}"


MADE: dict[str, Callable[[Client], Any]] = {
    "session": open_session,
    "intent": lambda client: intent(client, "pm_card_visa"),
    "coupon": lambda client: client.v1.coupons.create({"percent_off": 5}),
    "tax rate": lambda client: client.v1.tax_rates.retrieve(tax(client, 5)),
}


#: What older versions show besides, and what they do not show yet.
OLDER_FIELDS: dict[tuple[str, str], tuple[set[str], set[str]]] = {
    ("sandbox in 2025-03-31.basil", "session"): (set(), {"allowed_payment_method_types"}),
    ("sandbox in 2022-11-15", "session"): ({"shipping_details"}, {"allowed_payment_method_types"}),
    ("sandbox in 2022-11-15", "intent"): ({"invoice"}, set()),
}


@pytest.mark.parametrize("kind", MADE)
def test_the_sandbox_shows_the_fields_that_stripe_shows(target: Target, client: Client, kind: str) -> None:
    """Names only, previews too: what Stripe shows besides is listed as a known difference or built."""
    ours, theirs = (set(MADE[kind](asked).to_dict()) for asked in (client, target.client))
    if not target.newest:
        assert (theirs - ours, ours - theirs) == OLDER_FIELDS.get((target.name, kind), (set(), set()))
        return
    invented, lacking = sorted(ours - theirs), sorted(theirs - ours)
    assert (invented, lacking) == ([], []), f"the sandbox invents {invented} and lacks {lacking}"
