"""`--seed FILE`: fixed ids from the start, made once, and refused in a sentence where they cannot be."""

import json
from pathlib import Path
from typing import Any

import pytest
import stripe

from sandbox_testing.program import address_of, start
from stripe_sandbox.box import Box
from stripe_sandbox.command.seed import BadSeed, plant

SEED: dict[str, Any] = {
    "key": "sk_test_mine",
    "api_version": "2025-08-27.basil",
    "products": [{"id": "prod_tea", "name": "Tea", "metadata": {"shelf": 3}}],
    "prices": [{"id": "price_tea", "product": "prod_tea", "currency": "usd", "unit_amount": 900}],
    "coupons": [{"id": "TEN", "percent_off": 10, "duration": "once"}],
    "promotion_codes": [{"id": "promo_ten", "code": "TEN", "promotion": {"type": "coupon", "coupon": "TEN"}}],
    "tax_rates": [{"id": "txr_vat", "display_name": "VAT", "percentage": 20, "inclusive": True}],
    "customers": [{"id": "cus_ann", "email": "ann@example.com", "payment_method": "pm_card_visa"}],
    "webhook_endpoints": [
        {"id": "we_mine", "url": "http://127.0.0.1:1/", "enabled_events": ["*"], "secret": "whsec_mine"}
    ],
}


def written(folder: Path, seed: Any) -> Path:
    file = folder / "seed.json"
    file.write_text(seed if isinstance(seed, str) else json.dumps(seed), encoding="utf-8")
    return file


def test_a_seeded_sandbox_has_its_objects_under_their_ids(tmp_path: Path) -> None:
    program = start("--port", "0", "--memory", "--seed", str(written(tmp_path, SEED)))
    assert program.stdout is not None
    assert program.stdout.readline() == f"7 objects made of {tmp_path / 'seed.json'}\n"
    client = stripe.StripeClient("sk_test_mine", base_addresses={"api": address_of(program)})
    session = client.v1.checkout.sessions.create(
        {
            "mode": "payment",
            "success_url": "https://shop.example/",
            "customer": "cus_ann",
            "line_items": [{"price": "price_tea", "quantity": 2, "tax_rates": ["txr_vat"]}],
            "discounts": [{"promotion_code": "promo_ten"}],
        }
    )
    assert session.amount_total == 1620
    assert client.v1.customers.payment_methods.list("cus_ann").data[0].customer == "cus_ann"
    assert client.v1.webhook_endpoints.retrieve("we_mine").url == "http://127.0.0.1:1/"
    program.terminate()
    program.communicate(timeout=120)


def test_what_is_there_stays_as_it_is(tmp_path: Path) -> None:
    box, file = Box(), written(tmp_path, SEED)
    assert plant(box, file) == 7
    product = box.store.get("mine", "product", "prod_tea")
    assert product is not None
    box.store.save("mine", {**product, "name": "Green tea"})
    assert plant(box, file) == 0
    assert (box.store.get("mine", "product", "prod_tea") or {})["name"] == "Green tea"
    endpoint = box.store.get("mine", "webhook_endpoint", "we_mine") or {}
    assert endpoint["_secrets"] == [{"secret": "whsec_mine", "until": None}]
    assert box.version_of("mine") == "2025-08-27.basil"
    assert box.webhooks.log.page({"account": "mine"}) == []
    box.close()


@pytest.mark.parametrize(
    ("seed", "sentence"),
    [
        ("{", "is no JSON"),
        ([1], "an account is an object with its key"),
        ({"key": "mine"}, "key is the account's secret key"),
        ({"key": "pk_test_mine"}, "key is the account's secret key"),
        (
            {"key": "sk_test_mine", "subscriptions": []},
            "subscriptions is not known; known are key, api_version",
        ),
        ({"key": "sk_test_mine", "products": {"name": "Tea"}}, "products is a list of objects"),
        (
            {"key": "sk_test_mine", "products": [{"name": "Tea"}, {}]},
            "products[1]: Missing required param: name.",
        ),
        (
            {"key": "sk_test_mine", "prices": [{"product": "p", "currency": "usd", "unit_amount": 1}]},
            "No such product",
        ),
        ({"key": "sk_test_mine", "api_version": "new"}, "api_version is a date"),
    ],
)
def test_a_seed_that_cannot_be_used_says_where_and_leaves_nothing(
    tmp_path: Path, seed: Any, sentence: str
) -> None:
    box = Box()
    with pytest.raises(BadSeed, match=r"seed\.json") as caught:
        plant(box, written(tmp_path, seed))
    assert sentence in str(caught.value)
    assert box.store.accounts() == []
    box.close()


def test_a_file_that_is_not_there_ends_the_program_in_a_sentence(tmp_path: Path) -> None:
    program = start("--port", "0", "--memory", "--seed", str(tmp_path / "none.json"))
    _, told = program.communicate(timeout=120)
    assert (program.returncode, told) == (1, f"{tmp_path / 'none.json'}: No such file or directory.\n")
