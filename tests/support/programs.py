"""A program at the API, with its token: a client without cookies."""

import json
from typing import Any

from django.test import Client

from kopeck.api.models import Scope, Token


def make_token(*scopes: str, **facts: Any) -> str:
    """A new token with these scopes; with all of them where none is named."""
    token = Token(**{"name": "A program", "scopes": list(scopes) or Scope.values, **facts})
    secret = token.give_secret()
    token.save()
    return secret


class Program:
    """Asks as a program does: JSON, a token, and never a cookie."""

    def __init__(self, token: str = "") -> None:
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}

    def ask(self, method: str, address: str, body: Any = None, **headers: str) -> Any:
        text = body if isinstance(body, str | bytes) else "" if body is None else json.dumps(body)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        client = Client(raise_request_exception=False)
        return client.generic(method, address, text, "application/json", headers={**self.headers, **named})

    def get(self, address: str, **headers: str) -> Any:
        return self.ask("GET", address, **headers)

    def post(self, address: str, body: Any = None, **headers: str) -> Any:
        return self.ask("POST", address, body, **headers)

    def patch(self, address: str, body: Any, **headers: str) -> Any:
        return self.ask("PATCH", address, body, **headers)
