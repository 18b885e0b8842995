"""A running sandbox as a program meets it: Stripe's API with a secret key, and `/_sandbox/` without one.

Plain `urllib`, so that the command and the pytest plugin need no library of Stripe's.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

Json = dict[str, Any]
TIMEOUT = 60


class SandboxError(Exception):
    """The sandbox refused, or is not there: a sentence, and its `code` where it has one."""

    def __init__(self, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.code = code


class Client:
    """`url` is where the sandbox listens; `secret_key` names the account."""

    def __init__(self, url: str, secret_key: str) -> None:
        self.url, self.secret_key = url.rstrip("/"), secret_key

    @property
    def account(self) -> str:
        """The tail of the key, by which `/_sandbox/` knows the account."""
        return self.secret_key.split("_", 2)[-1]

    @property
    def publishable_key(self) -> str:
        return f"pk_test_{self.account}"

    def post(self, path: str, **params: Any) -> Json:
        """POST to `/v1/{path}`; nested dicts and lists are written as Stripe's forms."""
        return self._ask("POST", f"/v1/{path}", urlencode(list(flat(params))).encode())

    def get(self, path: str, **params: Any) -> Json:
        return self._ask("GET", f"/v1/{path}?{urlencode(list(flat(params)))}")

    def delete(self, path: str) -> Json:
        return self._ask("DELETE", f"/v1/{path}")

    def control(self, method: str, path: str, **body: Any) -> Json:
        """JSON of `/_sandbox/{path}`. A declined card is its answer too: `{"error": {"code": ...}}`."""
        return self._ask(method, f"/_sandbox/{path}", json.dumps(body).encode(), declines=True)

    def _ask(self, method: str, path: str, data: bytes | None = None, *, declines: bool = False) -> Json:
        request = urllib.request.Request(f"{self.url}{path}", data, method=method)  # noqa: S310 - the user's own
        request.add_header("Authorization", f"Bearer {self.secret_key}")
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as response:  # noqa: S310
                answer: Json = json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                answer = _read(error, self.url)
            if not (declines and error.code == 402):
                raise SandboxError(answer["error"]["message"], answer["error"].get("code")) from error
        except (OSError, ValueError) as error:
            raise SandboxError(f"No sandbox answers at {self.url}: {error}.") from error
        return answer


def _read(error: urllib.error.HTTPError, url: str) -> Json:
    try:
        answer = json.load(error)
        answer["error"]["message"]
    except (ValueError, TypeError, KeyError) as wrong:
        raise SandboxError(f"What answers at {url} is no sandbox: {error.code} {error.reason}.") from wrong
    return answer  # type: ignore[no-any-return]


def flat(params: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """`{"a": {"b": [1, True]}}` as `a[b][0]=1`, `a[b][1]=true`; None is an empty value."""
    for name, value in params.items():
        path = f"{prefix}[{name}]" if prefix else name
        if isinstance(value, Mapping):
            yield from flat(value, path)
        elif isinstance(value, list | tuple):
            yield from flat({str(index): item for index, item in enumerate(value)}, path)
        else:
            yield path, _text(value)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)
