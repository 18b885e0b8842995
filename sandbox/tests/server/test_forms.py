"""How parameters are read and refused: Stripe's form encoding, and its words for what is wrong."""

import secrets
from typing import Any
from urllib.parse import parse_qsl

import pytest
import requests
import stripe

from sandbox_testing.orders import line, order
from sandbox_testing.server import CheckedSandbox
from stripe_sandbox.server.forms import decode


def refused(client: stripe.StripeClient, params: dict[str, Any]) -> stripe.InvalidRequestError:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.checkout.sessions.create(params)  # type: ignore[arg-type]
    return caught.value


def post(sandbox: CheckedSandbox, account: str, path: str, body: str) -> requests.Response:
    """A raw form, for encodings that the library doesn't write."""
    headers = {
        "Authorization": f"Bearer sk_test_{account}",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    return requests.post(f"{sandbox.url}{path}", body, headers=headers, timeout=120)


def test_an_unknown_parameter_is_named(client: stripe.StripeClient) -> None:
    error = refused(client, order(colour="red"))
    assert (error.code, error.param) == ("parameter_unknown", "colour")
    assert str(error.user_message) == "Received unknown parameter: colour"


def test_an_unknown_parameter_deep_inside_is_named_with_its_path(client: stripe.StripeClient) -> None:
    error = refused(client, order({**line(1000), "colour": "red"}))
    assert error.user_message == "Received unknown parameter: line_items[0][colour]"


def test_several_unknown_parameters_are_all_named(client: stripe.StripeClient) -> None:
    assert refused(client, order(a="1", b="2")).user_message == "Received unknown parameters: a, b"


def test_a_missing_parameter_is_named_with_its_path(client: stripe.StripeClient) -> None:
    error = refused(client, order({"quantity": 1, "price_data": {"unit_amount": 500}}))
    assert error.code == "parameter_missing"
    assert error.param == "line_items[0][price_data][currency]"


@pytest.mark.parametrize(
    ("changed", "code", "param"),
    [
        (
            {"line_items": [line(1000, quantity="many")]},
            "parameter_invalid_integer",
            "line_items[0][quantity]",
        ),  # type: ignore[arg-type]
        ({"allow_promotion_codes": "perhaps"}, None, "allow_promotion_codes"),
        ({"locale": "xx"}, None, "locale"),
        ({"line_items": "tea"}, None, "line_items"),
        ({"metadata": "blue"}, None, "metadata"),
        ({"success_url": ""}, "parameter_invalid_empty", "success_url"),
        ({"client_reference_id": "x" * 201}, "parameter_invalid_string", "client_reference_id"),
        ({"line_items": [line(1000, currency="zzz")]}, None, "line_items[0][price_data][currency]"),
    ],
)
def test_a_value_of_the_wrong_shape_is_refused(
    client: stripe.StripeClient, changed: dict[str, Any], code: str | None, param: str
) -> None:
    error = refused(client, {**order(), **changed})
    assert (error.code, error.param, error.http_status) == (code, param, 400)


@pytest.mark.parametrize(
    "metadata",
    [
        {"k" * 41: "value"},
        {"key": "v" * 501},
        {f"key{number}": "value" for number in range(51)},
    ],
)
def test_metadata_has_limits(client: stripe.StripeClient, metadata: dict[str, str]) -> None:
    assert str(refused(client, order(metadata=metadata)).param).startswith("metadata")


def test_metadata_up_to_its_limits_is_kept(client: stripe.StripeClient) -> None:
    metadata = {f"{number:02}" + "k" * 38: "v" * 500 for number in range(50)}
    session = client.v1.checkout.sessions.create(order(metadata=metadata))  # type: ignore[arg-type]
    assert session.metadata is not None
    assert session.metadata.to_dict() == metadata


def test_metadata_is_merged_and_an_empty_value_removes_its_key(client: stripe.StripeClient) -> None:
    session = client.v1.checkout.sessions.create(order(metadata={"a": "1", "b": "2"}))  # type: ignore[arg-type]
    changed = client.v1.checkout.sessions.update(session.id, {"metadata": {"a": "", "c": "3"}})
    assert changed.metadata is not None
    assert changed.metadata.to_dict() == {"b": "2", "c": "3"}


def test_an_empty_metadata_removes_all_of_it(client: stripe.StripeClient) -> None:
    session = client.v1.checkout.sessions.create(order(metadata={"a": "1"}))  # type: ignore[arg-type]
    changed = client.v1.checkout.sessions.update(session.id, {"metadata": ""})
    assert changed.metadata is not None
    assert changed.metadata.to_dict() == {}


def test_elements_with_empty_brackets_are_told_apart_by_their_whole_path(
    sandbox: CheckedSandbox, account: str
) -> None:
    body = "mode=payment&success_url=https://shop.example/&expand[]=line_items" + "".join(
        f"&line_items[][quantity]={quantity}&line_items[][price_data][currency]=usd"
        f"&line_items[][price_data][unit_amount]={amount}&line_items[][price_data][product_data][name]=Tea"
        "&line_items[][price_data][product_data][images][]=https://shop.example/1.png"
        "&line_items[][price_data][product_data][images][]=https://shop.example/2.png"
        for quantity, amount in ((2, 700), (1, 900))
    )
    session = post(sandbox, account, "/v1/checkout/sessions", body).json()
    assert [item["amount_total"] for item in session["line_items"]["data"]] == [1400, 900]


@pytest.mark.parametrize(
    ("form", "tree"),
    [
        ("a[]=1&a[]=2", {"a": {"0": "1", "1": "2"}}),
        ("a[][x]=1&a[][y]=2&a[][x]=3", {"a": {"0": {"x": "1", "y": "2"}, "1": {"x": "3"}}}),
        ("a[][x][y]=1&a[][x][z]=2", {"a": {"0": {"x": {"y": "1", "z": "2"}}}}),
        ("a[][x][y]=1&a[][x][y]=2", {"a": {"0": {"x": {"y": "1"}}, "1": {"x": {"y": "2"}}}}),
        ("a[][x][]=1&a[][x][]=2", {"a": {"0": {"x": {"0": "1", "1": "2"}}}}),
        ("a[2][x]=1&a[2][y]=2&a[0][x]=3", {"a": {"2": {"x": "1", "y": "2"}, "0": {"x": "3"}}}),
    ],
)
def test_brackets_are_read_as_rack_reads_them(form: str, tree: dict[str, Any]) -> None:
    assert decode(parse_qsl(form)) == tree


@pytest.mark.parametrize(
    ("form", "message", "param"),
    [
        ("name[]=wrong&name[]=type", 'Invalid string: {"0":"wrong","1":"type"}', "name"),
        ("balance=٣", "Invalid integer: ٣", "balance"),
        ("balance[a][b]=ж", 'Invalid integer: {"a":{"b":"ж"}}', "balance"),
        ("preferred_locales[²]=en", "Invalid array", "preferred_locales"),
        ("preferred_locales[" + "9" * 5000 + "]=en", "Invalid array", "preferred_locales"),
        ("metadata[a][b]=1", "Invalid metadata: values must be strings, not objects.", "metadata[a]"),
        (
            "a" + "[b]" * 5000 + "=1",
            "Invalid request: parameter names may be nested 32 levels deep, not 5001.",
            None,
        ),
        ("balance" + "[b]" * 3000 + "=1", None, None),
    ],
)
def test_what_nobody_would_send_is_refused_all_the_same(
    sandbox: CheckedSandbox, account: str, form: str, message: str | None, param: str | None
) -> None:
    answer = post(sandbox, account, "/v1/customers", form)
    error = answer.json()["error"]
    assert (answer.status_code, error["type"], error.get("param")) == (400, "invalid_request_error", param)
    assert message in (None, error["message"])


@pytest.mark.parametrize(
    "path", ["/v1/customers", "/v1/coupons?percent_off=10", "/v1/prices?currency=usd&unit_amount=1"]
)
def test_an_empty_value_in_metadata_makes_no_key(sandbox: CheckedSandbox, account: str, path: str) -> None:
    more = "&product_data[name]=Tea" if "prices" in path else ""
    made = post(sandbox, account, path, f"metadata[kept]=1&metadata[empty]={more}").json()
    assert made["metadata"] == {"kept": "1"}


def test_a_key_of_full_metadata_can_be_replaced_by_another(client: stripe.StripeClient) -> None:
    full = {f"key{number}": "1" for number in range(50)}
    customer = client.v1.customers.create({"metadata": full})
    changed = client.v1.customers.update(customer.id, {"metadata": {"key0": "", "other": "1"}})
    assert changed.metadata is not None
    assert len(changed.metadata.to_dict()) == 50
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.customers.update(customer.id, {"metadata": {"one_more": "1"}})
    assert caught.value.param == "metadata"


def test_booleans_may_be_written_as_python_writes_them(sandbox: CheckedSandbox, account: str) -> None:
    paid = "amount=500&currency=usd&payment_method=pm_card_visa&return_url=https://shop.example/&confirm=True"
    assert post(sandbox, account, "/v1/payment_intents", paid).json()["status"] == "succeeded"
    product = post(sandbox, account, "/v1/products", "name=Tea&active=False").json()
    assert product["active"] is False


def test_an_empty_value_unsets_what_may_be_missing(sandbox: CheckedSandbox, account: str) -> None:
    given = "name=Ann&email=ann@example.com&phone=1&description=x&address[line1]=a&address[line2]=b"
    customer = post(sandbox, account, "/v1/customers", given).json()
    empty = "name=&email=&phone=&description=&address[line1]=a&address[line2]="
    changed = post(sandbox, account, f"/v1/customers/{customer['id']}", empty).json()
    assert [changed[name] for name in ("name", "email", "phone", "description")] == [None] * 4
    assert (changed["address"]["line1"], changed["address"]["line2"]) == ("a", None)
    intent = post(
        sandbox, account, "/v1/payment_intents", "amount=500&currency=usd&description=&receipt_email="
    )
    assert (intent.json()["description"], intent.json()["receipt_email"]) == (None, None)


@pytest.mark.parametrize(
    ("path", "form", "param"),
    [
        ("/v1/products", "name=", "name"),
        ("/v1/payment_intents", "amount=&currency=usd", "amount"),
        ("/v1/payment_intents", "amount=500&currency=usd&customer=", "customer"),
        ("/v1/payment_intents", "amount=500&currency=usd&payment_method=", "payment_method"),
    ],
)
def test_an_empty_value_of_what_must_be_there_is_refused(
    sandbox: CheckedSandbox, account: str, path: str, form: str, param: str
) -> None:
    error = post(sandbox, account, path, form).json()["error"]
    assert (error["code"], error["param"]) == ("parameter_invalid_empty", param)


def test_text_of_any_script_survives(client: stripe.StripeClient) -> None:
    name = "Чай & «мёд» 100 % = 茶 🍵"
    session = client.v1.checkout.sessions.create(order(line(1000, name=name), expand=["line_items"]))  # type: ignore[arg-type]
    assert session.line_items is not None
    assert session.line_items.data[0].description == name


def test_a_parameter_cannot_be_a_value_and_an_object_at_once(sandbox: CheckedSandbox, account: str) -> None:
    answer = post(sandbox, account, "/v1/customers", "metadata=x&metadata[a]=b")
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"


def test_a_body_that_is_no_form_is_refused(sandbox: CheckedSandbox, account: str) -> None:
    headers = {"Authorization": f"Bearer sk_test_{account}", "Content-Type": "application/json"}
    answer = requests.post(f"{sandbox.url}/v1/customers", "{}", headers=headers, timeout=120)
    assert answer.status_code == 400
    assert "content type" in answer.json()["error"]["message"]


def test_payment_method_types_is_gone_as_in_endive(client: stripe.StripeClient) -> None:
    error = refused(client, order(payment_method_types=["card"]))
    assert error.code == "payment_method_types_no_longer_supported"
    assert error.param == "payment_method_types"


def test_a_refusal_leaves_nothing_behind(client: stripe.StripeClient) -> None:
    refused(client, order(line(1000), line(1000, currency="eur")))
    assert client.v1.products.list().data == []


def test_no_parameter_can_reach_what_the_sandbox_keeps_for_itself(client: stripe.StripeClient) -> None:
    session = client.v1.checkout.sessions.create(order())  # type: ignore[arg-type]
    assert not [name for name in session.to_dict() if name[0] in "_+"]
    with pytest.raises(stripe.InvalidRequestError, match="cannot be expanded"):
        client.v1.checkout.sessions.retrieve(session.id, {"expand": ["_base_url"]})


def test_an_unsupported_feature_says_that_it_is_the_sandbox(client: stripe.StripeClient) -> None:
    error = refused(client, {**order(), "mode": "subscription"})
    assert error.code == "sandbox_not_supported"
    assert "local sandbox" in str(error.user_message)


def test_each_error_carries_its_request(client: stripe.StripeClient) -> None:
    error = refused(client, order(**{secrets.token_hex(4): "1"}))
    assert error.request_id
    assert error.request_id in error.json_body["error"]["request_log_url"]
    assert error.json_body["error"]["doc_url"] == "https://stripe.com/docs/error-codes/parameter-unknown"
