"""Pages of named sites use the API with a token; pages of others cannot read what it answers."""

from typing import Any

import pytest
from django.test import Client

from tests.support.programs import make_token
from tests.support.shop import make_item

pytestmark = pytest.mark.django_db
APP, OTHER = "https://app.example", "https://other.example"
CORS = "corsheaders.middleware.CorsMiddleware"


@pytest.fixture
def named(settings: Any) -> Client:
    settings.CORS_ALLOWED_ORIGINS = [APP]
    settings.MIDDLEWARE = [*settings.MIDDLEWARE[:3], CORS, *settings.MIDDLEWARE[3:]]
    return Client(raise_request_exception=False)


def test_a_named_site_asks_first_and_then_with_its_token(named: Client) -> None:
    make_item()
    asked = {"Origin": APP, "Access-Control-Request-Method": "POST"}
    words = {"Access-Control-Request-Headers": "authorization,content-type,idempotency-key"}
    first = named.options("/api/v1/orders", headers={**asked, **words})
    assert first.status_code == 200
    assert first["Access-Control-Allow-Origin"] == APP
    assert {"authorization", "idempotency-key"} <= set(first["Access-Control-Allow-Headers"].split(", "))
    headers = {"Origin": APP, "Authorization": f"Bearer {make_token()}", "Sec-Fetch-Site": "cross-site"}
    answer = named.get("/api/v1/items", headers=headers)
    assert (answer.status_code, answer["Access-Control-Allow-Origin"]) == (200, APP)
    assert "Access-Control-Allow-Credentials" not in answer
    refused = named.get("/api/v1/items", headers={**headers, "Authorization": "Bearer kpk_no"})
    assert refused.status_code in (200, 401)
    assert refused["Access-Control-Allow-Origin"] == APP


def test_other_sites_and_other_addresses_get_no_word_of_it(named: Client) -> None:
    for address, origin in (("/api/v1/items", OTHER), ("/", APP), ("/admin/login/", APP), ("/orders", APP)):
        answer = named.get(address, headers={"Origin": origin})
        assert "Access-Control-Allow-Origin" not in answer, (address, origin)


def test_nobody_is_named_unless_the_setting_names_them(settings: Any) -> None:
    assert CORS not in settings.MIDDLEWARE
    answer = Client().get("/api/v1/items", headers={"Origin": APP})
    assert "Access-Control-Allow-Origin" not in answer
