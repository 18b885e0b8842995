"""What a shop asks for besides: its own fields, and consent; on the page, by control, and in the object."""

from typing import Any

import pytest
import stripe

from sandbox_testing.orders import open_session, pay
from sandbox_testing.own import control
from sandbox_testing.server import CheckedSandbox
from sandbox_testing.shopping import alerts, look, submit, text_of, typed, value_of

Client = stripe.StripeClient


def field(key: str, type: str, label: str = "Label", **more: Any) -> dict[str, Any]:
    return {"key": key, "type": type, "label": {"type": "custom", "custom": label}, **more}


SIZES = {"options": [{"label": "Small", "value": "s"}, {"label": "Large", "value": "l"}]}
FIELDS = [
    field("engraving", "text", "Engraving", optional=True, text={"maximum_length": 5}),
    field("badge", "numeric", "Badge", numeric={"minimum_length": 3}),
    field("size", "dropdown", "Size", dropdown=SIZES),
]


def refused(client: Client, **params: Any) -> stripe.InvalidRequestError:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        open_session(client, **params)
    return caught.value


def answers(client: Client, id: str) -> dict[str, Any]:
    session: Any = client.v1.checkout.sessions.retrieve(id)
    return {one.key: one[one.type].value for one in session.custom_fields}


def test_the_shop_s_own_fields_are_asked_for_and_their_answers_kept(client: Client) -> None:
    session = open_session(client, custom_fields=FIELDS)
    assert session.custom_fields[0].text.to_dict() == {
        "default_value": None,
        "maximum_length": 5,
        "minimum_length": None,
        "value": None,
    }
    assert "Engraving (optional)" in text_of(look(session.url))
    assert alerts(submit(session.url)) == {
        "custom_badge": "Fill in this field.",
        "custom_size": "Fill in this field.",
    }
    wrong = typed(custom_engraving="forever", custom_badge="12", custom_size="xl")
    assert alerts(submit(session.url, wrong)) == {
        "custom_engraving": "This is too long.",
        "custom_badge": "This is too short.",
        "custom_size": "Choose one of these.",
    }
    letters = alerts(submit(session.url, typed(custom_badge="12a", custom_size="s")))
    assert letters == {"custom_badge": "Use digits only."}
    assert submit(session.url, typed(custom_badge="007", custom_size="l")).status_code == 303
    assert answers(client, session.id) == {"engraving": None, "badge": "007", "size": "l"}
    [completed] = client.v1.events.list({"type": "checkout.session.completed"}).data
    assert completed.data.object["custom_fields"][2]["dropdown"]["value"] == "l"


def test_a_challenge_keeps_the_answers(client: Client, sandbox: CheckedSandbox) -> None:
    session = open_session(client, custom_fields=FIELDS[1:])
    asked = submit(session.url, typed("4000000000003220", custom_badge="123", custom_size="s"))
    submit(sandbox.url + asked.headers["Location"], {"result": "authorize"})
    assert answers(client, session.id) == {"badge": "123", "size": "s"}


def test_a_payment_by_control_has_answers_or_gets_examples(client: Client, sandbox: CheckedSandbox) -> None:
    silent = open_session(client, custom_fields=FIELDS)
    assert pay(sandbox, silent.id)["outcome"] == "paid"
    assert answers(client, silent.id) == {"engraving": None, "badge": "1234567890", "size": "s"}
    told = open_session(client, custom_fields=FIELDS)
    for wrong in ({"nonsense": "x"}, {"badge": "no digits"}):
        status, answer = control(
            sandbox.url, "POST", f"sessions/{told.id}/pay", {"custom_fields": wrong} | CARD
        )
        assert (status, answer["error"]["param"]) == (400, "custom_fields")
    assert client.v1.checkout.sessions.retrieve(told.id).status == "open"
    assert pay(sandbox, told.id, custom_fields={"badge": "42424", "engraving": "Ada"})["outcome"] == "paid"
    assert answers(client, told.id) == {"engraving": "Ada", "badge": "42424", "size": "s"}


CARD = {"card": "4242424242424242"}


def test_defaults_stand_in_the_form(client: Client) -> None:
    named = field("note", "text", text={"default_value": "Thank you"})
    session = open_session(client, custom_fields=[named])
    assert value_of(look(session.url), "custom_note") == "Thank you"
    assert value_of(look(f"{session.url}?card=4242424242424242"), "custom_note") == "Thank you"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ([field(f"k{number}", "text") for number in range(4)], "custom_fields"),
        ([field("k", "text"), field("k", "numeric")], "custom_fields[1][key]"),
        ([field("no-dash", "text")], "custom_fields[0][key]"),
        ([field("k", "dropdown")], "custom_fields[0][dropdown]"),
        ([field("k", "text", numeric={"minimum_length": 1})], "custom_fields[0][numeric]"),
        (
            [field("k", "text", text={"minimum_length": 9, "maximum_length": 8})],
            "custom_fields[0][text][minimum_length]",
        ),
        ([field("k", "text", text={"maximum_length": 256})], "custom_fields[0][text][maximum_length]"),
        ([field("k", "numeric", numeric={"default_value": "x"})], "custom_fields[0][numeric][default_value]"),
        (
            [field("k", "dropdown", dropdown={"options": [{"label": "A", "value": "a b"}]})],
            "custom_fields[0][dropdown][options][0][value]",
        ),
    ],
)  # fmt: skip
def test_fields_that_cannot_be_are_refused(client: Client, fields: list[Any], param: str) -> None:
    assert refused(client, custom_fields=fields).param == param


def test_terms_have_to_be_agreed_to_and_promotions_are_a_choice(client: Client) -> None:
    asked = {"terms_of_service": "required", "promotions": "auto"}
    session = open_session(client, consent_collection=asked)
    assert session.consent.to_dict() == {"promotions": None, "terms_of_service": None}
    assert session.consent_collection.to_dict() == {**asked, "payment_method_reuse_agreement": None}
    assert alerts(submit(session.url)) == {"termsOfService": "Agree to the terms to go on."}
    assert submit(session.url, typed(termsOfService="on", promotions="on")).status_code == 303
    done: Any = client.v1.checkout.sessions.retrieve(session.id)
    assert done.consent.to_dict() == {"promotions": "opt_in", "terms_of_service": "accepted"}


def test_who_does_not_tick_gets_no_promotions_and_nobody_asks_where_nothing_is_wanted(
    client: Client, sandbox: CheckedSandbox
) -> None:
    session = open_session(client, consent_collection={"promotions": "auto"})
    assert submit(session.url).status_code == 303
    done: Any = client.v1.checkout.sessions.retrieve(session.id)
    assert done.consent.to_dict() == {"promotions": "opt_out", "terms_of_service": None}
    by_control = open_session(
        client, consent_collection={"promotions": "auto", "terms_of_service": "required"}
    )
    pay(sandbox, by_control.id, promotions=True)
    done = client.v1.checkout.sessions.retrieve(by_control.id)
    assert done.consent.to_dict() == {"promotions": "opt_in", "terms_of_service": "accepted"}
    plain = open_session(client, consent_collection={"promotions": "none", "terms_of_service": "none"})
    assert "checkbox" not in look(plain.url).text
    assert open_session(client).consent is None


def test_the_shop_s_own_words_stand_beside_the_box(client: Client) -> None:
    words = {"terms_of_service_acceptance": {"message": "I have read the house rules."}}
    session = open_session(client, consent_collection={"terms_of_service": "required"}, custom_text=words)
    assert "I have read the house rules." in text_of(look(session.url))
