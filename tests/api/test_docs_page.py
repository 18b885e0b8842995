"""/api/v1/docs: every call with its example, in either language, with no script and no other host."""

import html
import json
import re
from typing import Any

import pytest
from django.test import Client

from kopeck.api import schemas
from kopeck.api.docs import example_of
from kopeck.api.models import Scope
from tests.support.programs import Program, make_token
from tests.support.shop import make_item

pytestmark = pytest.mark.django_db
DOCS = "/api/v1/docs"


def document() -> Any:
    return Client().get("/api/v1/openapi.json").json()


def examples(name: str) -> list[str]:
    page = Client().get(DOCS).content.decode()
    return [
        html.unescape(found)
        for found in re.findall(rf'<pre data-testid="{name}">(.*?)</pre>', page, re.DOTALL)
    ]


def test_every_call_has_its_example_and_its_scope() -> None:
    page = Client().get(DOCS).content.decode()
    calls = {
        f"{method.upper()} {path}" for path, methods in document()["paths"].items() for method in methods
    }
    assert set(re.findall(r'data-call="([^"]+)"', page)) == calls
    assert len(examples("request")) == len(examples("answer")) == len(calls)
    for scope in Scope:
        assert f"<code>{scope.value}</code>" in page
    assert "{order_id}" not in "".join(examples("request"))


def test_every_answer_and_every_body_of_an_example_is_as_its_schema_says() -> None:
    known = document()["components"]["schemas"]
    for name, schema in known.items():
        model = getattr(schemas, name, None)
        if model is not None:
            model.model_validate(example_of(schema, known))
    for text in examples("answer"):
        json.loads(text)
    bodies = [found for text in examples("request") for found in re.findall(r"-d '(.*)'", text)]
    assert len(bodies) == 5
    assert json.loads(bodies[0])


def test_an_example_works_as_it_is_written() -> None:
    make_item(pk=7, shipped=False)
    (text,) = (text for text in examples("request") if "POST" in text and text.count("orders \\"))
    assert text.startswith("curl -X POST http://testserver/api/v1/orders \\")
    body = json.loads(re.findall(r"-d '(.*)'", text)[0])
    body.pop("country")
    assert Program(make_token()).post("/api/v1/orders", body).status_code == 201


@pytest.mark.parametrize("language", ["en", "ru"])
def test_the_page_needs_no_script_no_style_of_its_own_and_no_other_host(language: str) -> None:
    answer = Client().get(DOCS, headers={"Accept-Language": language})
    page = answer.content.decode()
    assert "<script" not in page
    assert " style=" not in page
    asked = re.findall(r'(?:<link[^>]+href|src)="([^"]+)"', page)
    assert len(asked) > 2
    assert [one for one in asked if not one.startswith(("/", "#"))] == []
    assert answer["X-Robots-Tag"] == "noindex"
    assert ("Программы" in page) == (language == "ru")
