"""The REST API against its OpenAPI document: whatever is sent, the answer is one that the document names."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.core.parameters import ParameterLocation
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from kopeck.catalog.models import Item
from kopeck.orders import placing
from kopeck.orders.wanted import Wanted
from tests.support.depth import DEEP
from tests.support.programs import make_token
from tests.support.shop import ShopSandbox, make_item

pytestmark = pytest.mark.django_db(transaction=True)
EXAMPLES = 30 if DEEP else 10
OPERATIONS = [
    ("GET", "/api/v1/orders/{order_id}"),
    ("POST", "/api/v1/orders"),
    ("GET", "/api/v1/items/{item_id}/orders"),
    ("GET", "/api/v1/items"),
    ("GET", "/api/v1/items/{item_id}"),
    ("GET", "/api/v1/orders"),
    ("PATCH", "/api/v1/orders/{order_id}"),
    ("POST", "/api/v1/orders/{order_id}/cancel"),
    ("POST", "/api/v1/orders/{order_id}/checkout"),
    ("POST", "/api/v1/orders/{order_id}/intent"),
    ("GET", "/api/v1/orders/{order_id}/refunds"),
    ("POST", "/api/v1/orders/{order_id}/refunds"),
    ("POST", "/api/v1/orders/{order_id}/shipment"),
    ("GET", "/api/v1/stock"),
    ("POST", "/api/v1/items/{item_id}/stock"),
]


@pytest.fixture
def document() -> Any:
    """The document, as the very application serves it that the web server loads."""
    from kopeck.wsgi import application

    for number in range(1, 6):  # numbers that are tried: so some orders are made
        make_item(pk=number)
    return schemathesis.openapi.from_wsgi("/api/v1/openapi.json", application)


def test_every_operation_of_the_document_is_tried_here(document: Any) -> None:
    found = [result.ok() for result in document.get_all_operations()]
    assert {(one.method.upper(), one.path) for one in found} == set(OPERATIONS)


@pytest.mark.random
@pytest.mark.parametrize(
    ("method", "path", "mode"),
    [(*one, mode) for one in OPERATIONS for mode in GenerationMode],
)
def test_every_answer_is_one_that_the_document_names(
    document: Any, sandbox: ShopSandbox, method: str, path: str, mode: GenerationMode
) -> None:
    order = placing.place([Wanted(Item.objects.get(pk=1), 1)], visitor="")
    headers = {"Authorization": f"Bearer {make_token()}"}

    @given(case=document[path][method].as_strategy(generation_mode=mode))
    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    def ask(case: schemathesis.Case) -> None:
        if "order_id" in case.path_parameters and case.path_parameters["order_id"] in range(1, 100):
            case.path_parameters["order_id"] = order.pk
        # Right by its form, an order may still be refused: an unknown code, too large a total.
        excluded: list[Any] = [positive_data_acceptance]
        header = case.meta.components.get(ParameterLocation.HEADER) if case.meta else None
        if header and header.mode is GenerationMode.NEGATIVE:
            excluded.append(negative_data_rejection)  # the token that is sent here makes it right again
        answer = case.call_and_validate(headers=headers, excluded_checks=excluded)
        assert answer.status_code < 500
        assert b"Traceback" not in answer.content

    ask()
