"""Embedded Checkout without a browser: what the session has, what its page may, what is refused."""

from typing import Any

import pytest
import stripe

from sandbox_testing.orders import line, order
from sandbox_testing.server import CheckedSandbox
from sandbox_testing.shopping import look, submit

Client = stripe.StripeClient
A = "https://a.example"


def embed(client: Client, **more: Any) -> Any:
    params = order(line(1000)) | {
        "ui_mode": "embedded_page",
        "return_url": "https://shop.example/back?s={CHECKOUT_SESSION_ID}",
    }
    params |= more
    for name in ("success_url", "cancel_url"):
        del params[name]
    return client.v1.checkout.sessions.create({name: value for name, value in params.items() if value})  # type: ignore[typeddict-item]


def test_it_has_a_secret_and_no_address(client: Client, sandbox: CheckedSandbox) -> None:
    session = embed(client)
    assert (session.url, session.ui_mode, session.redirect_on_completion) == (None, "embedded_page", "always")
    assert session.client_secret.startswith(f"{session.id}_secret_")
    page = look(f"{sandbox.url}/c/pay/{session.id}")
    assert "frame-ancestors *" in page.headers["Content-Security-Policy"]
    hosted = client.v1.checkout.sessions.create(order(line(1000)))  # type: ignore[arg-type]
    assert "return_url" not in hosted
    assert "frame-ancestors 'none'" in look(str(hosted.url)).headers["Content-Security-Policy"]


def test_how_it_ends_is_told_by_its_page(client: Client, sandbox: CheckedSandbox) -> None:
    session = embed(client)
    address = f"{sandbox.url}/c/pay/{session.id}"
    assert submit(address).headers["Location"] == f"/c/pay/{session.id}"
    assert f'data-back="https://shop.example/back?s={session.id}"' in look(address).text
    stays = embed(client, redirect_on_completion="never", return_url=None)
    address = f"{sandbox.url}/c/pay/{stays.id}"
    submit(address)
    page = look(address).text
    assert 'data-session-status="complete"' in page
    assert "data-back" not in page


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({"ui_mode": "embedded_page"}, "return_url"),
        ({"ui_mode": "embedded_page", "return_url": A, "success_url": A}, "success_url"),
        ({"ui_mode": "embedded_page", "return_url": "nowhere"}, "return_url"),
        ({"ui_mode": "embedded_page", "return_url": A, "redirect_on_completion": "never"}, "return_url"),
        ({"success_url": A, "return_url": A}, "return_url"),
        ({"success_url": A, "redirect_on_completion": "always"}, "redirect_on_completion"),
    ],
)  # fmt: skip
def test_addresses_of_the_other_way_are_refused(client: Client, params: dict[str, Any], param: str) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.checkout.sessions.create({"mode": "payment", "line_items": [line(1000)], **params})  # type: ignore[typeddict-item]
    assert caught.value.param == param
