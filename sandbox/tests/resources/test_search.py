"""Search in Stripe's query language: what each sign finds, page by page, and what is refused."""

from typing import Any

import pytest
import stripe

from stripe_sandbox.core.errors import StripeError
from stripe_sandbox.rules.search import FIELDS, read

Client = stripe.StripeClient
PEOPLE: list[dict[str, Any]] = [
    {"email": "Ann@Shop.example", "name": "Ann O'Hara", "metadata": {"order": "7", "a key": 'say "hi"'}},
    {"email": "bob@shop.example", "name": "Bob Юрий", "phone": "+1 201 555 0123"},
    {"name": "Eve", "metadata": {"order": "8"}},
]


@pytest.fixture
def people(client: Client) -> Client:
    for person in PEOPLE:
        client.v1.customers.create(person)  # type: ignore[arg-type]
    return client


def names(client: Client, query: str) -> str:
    """The first letters of who is found, by the alphabet."""
    found = client.v1.customers.search({"query": query}).data
    return "".join(sorted(str(one.name)[0] for one in found))


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("email:'ann@shop.example'", "A"),
        ('email:"ANN@SHOP.EXAMPLE"', "A"),
        ("email:'shop.example'", ""),
        ("email~'SHOP'", "AB"),
        ("name~'юри'", "B"),
        (r"name:'ann o\'hara'", "A"),
        ('name:"ann o\'hara"', "A"),
        ("-email~'ann'", "BE"),
        ("email:null", "E"),
        ("-email:null", "AB"),
        ("metadata['order']:'7'", "A"),
        ('metadata["order"]:"8"', "E"),
        ("metadata['order']:null", "B"),
        ("-metadata['order']:null", "AE"),
        (r"""metadata['a key']:"say \"hi\"" """, "A"),
        ("metadata['no']:'7'", ""),
        ("email~'shop' AND metadata['order']:'7'", "A"),
        ("email~'shop' metadata['order']:'7'", "A"),
        ("email~'ann' OR metadata['order']:'8'", "AE"),
        ("email~'ann' or name:'bob юрий' or name:Eve", "ABE"),
        ("created>0", "ABE"),
        ("created>0 AND created<9999999999 AND -name:'Eve'", "AB"),
        ("created<=0", ""),
        ("phone~'555'", "B"),
        ("email~'a%b'", ""),
        ("email~'___'", ""),
    ],
)
def test_customers_are_found(people: Client, query: str, found: str) -> None:
    assert names(people, query) == found


def test_payments_are_found_by_what_they_are(client: Client) -> None:
    usual: dict[str, Any] = {"currency": "usd", "confirm": True, "off_session": True}
    for amount, card in ((1000, "pm_card_visa"), (2000, "pm_card_mastercard"), (3000, "pm_card_visa")):
        client.v1.payment_intents.create({**usual, "amount": amount, "payment_method": card})
    waiting = client.v1.payment_intents.create({"amount": 4000, "currency": "eur"})
    intents = client.v1.payment_intents

    def amounts(query: str) -> list[int]:
        return [one.amount for one in intents.search({"query": query}).data]

    assert amounts("status:'succeeded' AND amount>1000") == [3000, 2000]
    assert amounts("amount>=1000 amount<=2000") == [2000, 1000]
    assert amounts("amount:3000") == amounts('amount="3000"') == [3000]
    assert amounts("currency:'EUR'") == [waiting.amount]
    [charge] = client.v1.charges.search({"query": "payment_method_details.card.brand:'mastercard'"}).data
    assert charge.amount == 2000
    client.v1.refunds.create({"charge": charge.id})
    assert len(client.v1.charges.search({"query": "refunded:'true'"}).data) == 1
    assert len(client.v1.charges.search({"query": "-refunded:'true' AND disputed:'false'"}).data) == 2


def test_the_catalogue_is_found(client: Client) -> None:
    tea = client.v1.products.create({"name": "Green tea", "metadata": {"shelf": "3"}})
    client.v1.products.create({"name": "Coffee", "active": False})
    price: Any = {"product": tea.id, "currency": "usd", "unit_amount": 900, "lookup_key": "tea"}
    client.v1.prices.create(price)
    assert [one.id for one in client.v1.products.search({"query": "active:'true' AND name~'tea'"}).data] == [
        tea.id
    ]
    assert client.v1.products.search({"query": "active:'false'"}).data[0].name == "Coffee"
    [found] = client.v1.prices.search({"query": "lookup_key:'tea'", "expand": ["data.product"]}).data
    assert found.product.name == "Green tea"  # type: ignore[union-attr]
    assert client.v1.prices.search({"query": f"product:'{tea.id}' type:'recurring'"}).data == []


def test_pages_follow_each_other_and_the_count_is_there_when_asked_for(client: Client) -> None:
    for number in range(5):
        client.v1.customers.create({"name": f"Ann {number}"})
    first: Any = client.v1.customers.search({"query": "name~'ann'", "limit": 2, "expand": ["total_count"]})
    assert (first.object, first.has_more, first.total_count, first.url) == (
        "search_result", True, 5, "/v1/customers/search",
    )  # fmt: skip
    second: Any = client.v1.customers.search({"query": "name~'ann'", "limit": 2, "page": first.next_page})
    assert "total_count" not in second
    last: Any = client.v1.customers.search({"query": "name~'ann'", "limit": 2, "page": second.next_page})
    assert (last.has_more, last.next_page) == (False, None)
    assert [one.name[-1] for page in (first, second, last) for one in page.data] == ["4", "3", "2", "1", "0"]
    assert len(list(client.v1.customers.search({"query": "name~'ann'", "limit": 2}).auto_paging_iter())) == 5


def test_an_account_finds_only_its_own_and_not_what_is_deleted(people: Client, make_client: Any) -> None:
    assert make_client("sk_test_somebodyelse").v1.customers.search({"query": "created>0"}).data == []
    [eve] = people.v1.customers.search({"query": "name:'Eve'"}).data
    people.v1.customers.delete(eve.id)
    assert names(people, "created>0") == "AB"


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("", "empty string"),
        ("hello", "unable to parse"),
        ("email:", "unable to parse"),
        ("email:'a", "unable to parse"),
        ("email:'a'name:'b'", "unable to parse"),
        ("(email:'a')", "unable to parse"),
        ("email:'a' AND", "unable to parse"),
        ("email:'a' OR name:'b' AND name:'c'", "cannot combine AND and OR"),
        ("nonsense:'a'", "Field `nonsense` is an unsupported search field for resource `customers`"),
        ("email['x']:'a'", "unsupported search field"),
        ("metadata:'a'", "unsupported search field"),
        ("email>'a'", "Operator `>` is not supported"),
        ("created~'123'", "Operator `~` is not supported"),
        ("email~'ab'", "at least 3 characters"),
        ("created>'soon'", "takes a number"),
        (" ".join(["created>1"] * 11), "at most 10 clauses"),
    ],
)
def test_what_is_no_query_is_refused(client: Client, query: str, words: str) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.customers.search({"query": query})
    assert caught.value.param == "query"
    assert words in str(caught.value.user_message)


def test_a_page_that_cannot_be_is_refused(client: Client) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.customers.search({"query": "created>0", "page": "2"})
    assert caught.value.param == "page"
    with pytest.raises(stripe.InvalidRequestError, match="true or false"):
        client.v1.products.search({"query": "active:'yes'"})


def test_every_field_that_can_be_asked_for_is_read() -> None:
    for resource, fields in FIELDS.items():
        for field, kind in fields.items():
            value = {"number": "1", "boolean": "true"}.get(kind, "abc")
            assert read(resource, f"-{field}:'{value}'").clauses[0].field == field
    with pytest.raises(StripeError):
        read("prices", "email:'a'")
