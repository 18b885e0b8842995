"""Tax rates: exact percentages, what can change, and archiving instead of deleting."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

VAT: Any = {"display_name": "VAT", "inclusive": True, "percentage": 20}


def test_a_rate_is_kept_as_it_was_given(client: stripe.StripeClient) -> None:
    params = VAT | {"country": "de", "state": "BE", "jurisdiction": "DE", "description": "VAT of Germany"}
    made = client.v1.tax_rates.create({**params, "tax_type": "vat", "metadata": {"tax": "1"}})
    rate = client.v1.tax_rates.retrieve(made.id)
    assert rate.to_dict() == made.to_dict()
    assert (rate.percentage, rate.effective_percentage, rate.inclusive, rate.active) == (
        20.0,
        20.0,
        True,
        True,
    )
    assert (rate.country, rate.state, rate.jurisdiction, rate.tax_type) == ("DE", "BE", "DE", "vat")
    assert (rate.rate_type, rate.flat_amount, rate.jurisdiction_level) == ("percentage", None, None)
    assert rate.metadata.to_dict() == {"tax": "1"}


@pytest.mark.parametrize("percentage", [0, 8.875, 0.0001, 12.3456, 100])
def test_a_percentage_has_up_to_four_decimals(client: stripe.StripeClient, percentage: float) -> None:
    assert client.v1.tax_rates.create(VAT | {"percentage": percentage}).percentage == percentage


@pytest.mark.parametrize(
    ("changes", "param", "message"),
    [
        ({"percentage": 8.12345}, "percentage", "at most 4 decimal places"),
        ({"percentage": 100.1}, "percentage", "less than or equal to 100"),
        ({"percentage": -1}, "percentage", "greater than or equal to 0"),
        ({"percentage": "much"}, "percentage", "Invalid decimal: much"),
        ({"inclusive": "maybe"}, "inclusive", "Invalid boolean: maybe"),
        ({"display_name": "x" * 51}, "display_name", "at most 50 characters"),
        ({"country": "Germany"}, "country", "Country 'Germany' is unknown"),
        ({"country": "ß"}, "country", "Country 'ß' is unknown"),
        ({"country": "EU"}, "country", "Country 'EU' is unknown"),
        ({"country": "UK"}, "country", "Try using a 2-character alphanumeric country code instead"),
        ({"country": "zz"}, "country", "A full list of country codes is available at"),
        ({"tax_type": "toll"}, "tax_type", "must be one of"),
    ],
)
def test_bad_rates_are_refused(
    client: stripe.StripeClient, changes: dict[str, Any], param: str, message: str
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.tax_rates.create(VAT | changes)
    assert caught.value.param == param
    assert message in caught.value.user_message
    assert client.v1.tax_rates.list().data == []


def test_a_country_that_is_none_cannot_be_set_later_either(client: stripe.StripeClient) -> None:
    rate = client.v1.tax_rates.create(VAT)
    with pytest.raises(stripe.InvalidRequestError, match="Country 'EU' is unknown"):
        client.v1.tax_rates.update(rate.id, {"country": "EU"})
    assert client.v1.tax_rates.retrieve(rate.id).country is None


@pytest.mark.parametrize("missing", ["display_name", "inclusive", "percentage"])
def test_what_is_required_is_named(client: stripe.StripeClient, missing: str) -> None:
    with pytest.raises(stripe.InvalidRequestError, match=f"Missing required param: {missing}.") as caught:
        client.v1.tax_rates.create({name: value for name, value in VAT.items() if name != missing})
    assert (caught.value.code, caught.value.param) == ("parameter_missing", missing)


def test_names_can_change_and_what_sums_depend_on_cannot(client: stripe.StripeClient) -> None:
    rate = client.v1.tax_rates.create(VAT)
    changed = client.v1.tax_rates.update(
        rate.id, {"display_name": "GST", "description": "x", "active": False, "metadata": {"a": "b"}}
    )
    assert (changed.display_name, changed.description, changed.active) == ("GST", "x", False)
    for fixed in ({"percentage": 5}, {"inclusive": False}):
        with pytest.raises(stripe.InvalidRequestError, match="Received unknown parameter"):
            client.v1.tax_rates.update(rate.id, fixed)  # type: ignore[arg-type]


def test_a_country_can_be_set_once(client: stripe.StripeClient) -> None:
    rate = client.v1.tax_rates.create(VAT)
    assert client.v1.tax_rates.update(rate.id, {"country": "FR"}).country == "FR"
    assert client.v1.tax_rates.update(rate.id, {"country": "FR"}).country == "FR"
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.tax_rates.update(rate.id, {"country": "DE"})
    assert caught.value.param == "country"


def test_rates_are_listed_by_activity_and_kind(client: stripe.StripeClient) -> None:
    inclusive = client.v1.tax_rates.create(VAT).id
    exclusive = client.v1.tax_rates.create(VAT | {"inclusive": False, "active": False}).id
    rates = client.v1.tax_rates
    assert [rate.id for rate in rates.list().data] == [exclusive, inclusive]
    assert [rate.id for rate in rates.list({"active": True}).data] == [inclusive]
    assert [rate.id for rate in rates.list({"active": False}).data] == [exclusive]
    assert [rate.id for rate in rates.list({"inclusive": False}).data] == [exclusive]


def test_an_unknown_rate_is_missing(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.tax_rates.retrieve("txr_nope")
    assert (caught.value.http_status, caught.value.param) == (404, "tax_rate")
    assert caught.value.user_message == "No such tax rate: 'txr_nope'"


def test_a_rate_cannot_be_deleted(client: stripe.StripeClient) -> None:
    rate = client.v1.tax_rates.create(VAT)
    with pytest.raises(stripe.InvalidRequestError, match="Unrecognized request URL"):
        client.raw_request("delete", f"/v1/tax_rates/{rate.id}")
