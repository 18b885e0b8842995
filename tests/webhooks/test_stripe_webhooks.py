"""`manage.py stripe_webhooks`: one pinned endpoint an account, made once, put right, moved, never doubled."""

import io
import re
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from kopeck.stripe_api.accounts import SANDBOX_TAIL
from kopeck.stripe_api.client import API_VERSION
from kopeck.webhooks import endpoints
from kopeck.webhooks.intake import HANDLERS
from tests.support.mirroring import two_accounts
from tests.support.shop import ShopSandbox

pytestmark = pytest.mark.django_db(transaction=True)
SHOP = "https://shop.example"


def run(*words: str) -> str:
    out = io.StringIO()
    call_command("stripe_webhooks", *words, stdout=out, stderr=out)
    return out.getvalue()


def at_stripe(client: Any) -> list[dict[str, Any]]:
    return [one.to_dict(for_json=True) for one in client.v1.webhook_endpoints.list({"limit": 100}).data]


def age(sandbox: ShopSandbox, version: str | None, **more: Any) -> None:
    """The account's endpoints as one who set them up by hand has them."""
    for endpoint in sandbox.box.store.list(SANDBOX_TAIL, "webhook_endpoint")[0]:
        sandbox.box.store.save(SANDBOX_TAIL, {**endpoint, "api_version": version, **more})


def test_every_account_gets_its_own_endpoint_with_events_and_pinned_version(
    sandbox: ShopSandbox, settings: Any
) -> None:
    """pains 10 and 25"""
    clients = two_accounts(sandbox, settings)
    said = run("--url", f"{SHOP}/")
    for name, client in clients.items():
        (endpoint,) = at_stripe(client)
        assert endpoint["url"] == f"{SHOP}/webhooks/stripe/{name}"
        assert endpoint["api_version"] == API_VERSION
        assert endpoint["status"] == "enabled"
        assert sorted(endpoint["enabled_events"]) == sorted(endpoints.event_types())
        assert f"{name}: {endpoint['url']} ({endpoint['id']}): made" in said
    assert re.search(r"^ +STRIPE_WEBHOOK_SECRET=whsec_\w{32}$", said, re.MULTILINE)
    assert re.search(r"^ +STRIPE_WEBHOOK_SECRET_EUR=whsec_\w{32}$", said, re.MULTILINE)


def test_the_printed_secret_is_the_one_that_signs(sandbox: ShopSandbox) -> None:
    printed = re.search(r"STRIPE_WEBHOOK_SECRET=(\S+)", run("--url", SHOP))
    assert printed
    (endpoint,) = sandbox.box.store.list(SANDBOX_TAIL, "webhook_endpoint")[0]
    assert [kept["secret"] for kept in endpoint["_secrets"]] == [printed[1]]


def test_a_second_run_changes_nothing_and_shows_no_secret(sandbox: ShopSandbox) -> None:
    run("--url", SHOP)
    before = at_stripe(sandbox.stripe)
    said = run("--url", SHOP)
    assert "is as it should be" in said
    assert "whsec_" not in said
    assert at_stripe(sandbox.stripe) == before


def test_the_address_comes_from_site_url(sandbox: ShopSandbox, settings: Any) -> None:
    settings.SITE_URL = SHOP
    run()
    assert [one["url"] for one in at_stripe(sandbox.stripe)] == [f"{SHOP}/webhooks/stripe/default"]


def test_an_endpoint_made_by_hand_is_put_right_and_keeps_its_secret(sandbox: ShopSandbox) -> None:
    made = sandbox.stripe.v1.webhook_endpoints.create(
        {
            "url": f"{SHOP}/webhooks/stripe/default/",
            "enabled_events": ["checkout.session.completed"],
            "api_version": API_VERSION,  # type: ignore[typeddict-item]
        }
    )
    sandbox.stripe.v1.webhook_endpoints.update(made.id, {"disabled": True})
    said = run("--url", SHOP)
    (endpoint,) = at_stripe(sandbox.stripe)
    assert (endpoint["id"], endpoint["status"]) == (made.id, "enabled")
    assert sorted(endpoint["enabled_events"]) == sorted(endpoints.event_types())
    assert "events, switched on" in said
    (kept,) = sandbox.box.store.list(SANDBOX_TAIL, "webhook_endpoint")[0]
    assert [secret["secret"] for secret in kept["_secrets"]] == [made.secret]


def test_a_shop_that_moves_takes_its_endpoint_along_and_leaves_others_alone(sandbox: ShopSandbox) -> None:
    run("--url", "https://old.example")
    foreign = sandbox.stripe.v1.webhook_endpoints.create(
        {"url": "https://another.example/webhooks/stripe/default", "enabled_events": ["*"]}
    )
    said = run("--url", SHOP)
    assert "moved from https://old.example/webhooks/stripe/default" in said
    urls = {one["id"]: one["url"] for one in at_stripe(sandbox.stripe)}
    assert urls.pop(foreign.id) == "https://another.example/webhooks/stripe/default"
    assert list(urls.values()) == [f"{SHOP}/webhooks/stripe/default"]


def test_another_api_version_is_replaced_in_two_steps_without_a_gap(sandbox: ShopSandbox) -> None:
    """pains 24 and 25: Stripe can't change an endpoint's version; both deliver until the new secret is in."""
    run("--url", SHOP)
    age(sandbox, "2024-06-20")
    (old,) = at_stripe(sandbox.stripe)
    said = run("--url", SHOP, "--finish")  # too early to finish: it has only just been made
    new, kept = at_stripe(sandbox.stripe)
    assert kept == old
    assert (new["api_version"], new["status"]) == (API_VERSION, "enabled")
    assert "with the present secret after it, a comma between" in said
    assert re.search(r"STRIPE_WEBHOOK_SECRET=whsec_\w{32}\b", said)
    assert f"{old['id']} delivers here too" in said
    again = run("--url", SHOP)
    assert [one["id"] for one in at_stripe(sandbox.stripe)] == [new["id"], old["id"]]
    assert "--finish" in again
    assert f"deleted: {old['id']}" in run("--url", SHOP, "--finish")
    assert [one["id"] for one in at_stripe(sandbox.stripe)] == [new["id"]]


def test_the_default_version_of_a_real_account_is_no_pinned_one(sandbox: ShopSandbox, settings: Any) -> None:
    """pain 25"""
    run("--url", SHOP)
    age(sandbox, None)
    assert "is as it should be" in run("--url", SHOP)  # the sandbox has but one version
    settings.STRIPE_SANDBOX = False
    assert ": made" in run("--url", SHOP)


@pytest.mark.parametrize(
    "url", ["shop.example", "ftp://shop.example", "https://shop.example/path", "https://", "https://a:b"]
)
def test_an_address_that_is_none_is_a_sentence(url: str) -> None:
    with pytest.raises(CommandError, match=r"no address|should look like https://shop.example"):
        run("--url", url)


def test_without_any_address_it_asks_for_one() -> None:
    with pytest.raises(CommandError, match=r"Give --url https://shop\.example, or set SITE_URL"):
        run()


def test_live_keys_want_https(settings: Any) -> None:
    """pain 11"""
    from dataclasses import replace

    settings.STRIPE_ACCOUNTS = {"default": replace(settings.STRIPE_ACCOUNTS["default"], livemode=True)}
    with pytest.raises(CommandError, match="begin with https"):
        run("--url", "http://shop.example")


def test_a_refusal_of_one_account_is_said_and_the_others_are_done(
    sandbox: ShopSandbox, settings: Any
) -> None:
    from dataclasses import replace

    clients = two_accounts(sandbox, settings)
    wrong = replace(settings.STRIPE_ACCOUNTS["default"], secret_key="sk_live_nobody")
    settings.STRIPE_ACCOUNTS = {**settings.STRIPE_ACCOUNTS, "default": wrong}
    out = io.StringIO()
    with pytest.raises(SystemExit) as end:
        call_command("stripe_webhooks", "--url", SHOP, stdout=out, stderr=out)
    assert end.value.code == 1
    assert "default: Stripe did not do it. AuthenticationError" in out.getvalue()
    assert "sk_live_nobody" not in out.getvalue()
    assert at_stripe(clients["default"]) == []
    assert len(at_stripe(clients["eur"])) == 1


def test_every_handler_has_its_events_in_the_list() -> None:
    for prefix in HANDLERS:
        assert [name for name in endpoints.event_types() if name.startswith(prefix)], prefix
    wanted = "completed async_payment_succeeded async_payment_failed expired".split()
    assert {f"checkout.session.{name}" for name in wanted} <= set(endpoints.event_types())
