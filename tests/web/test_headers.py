"""Every answer tells the browser what to refuse; with live keys the policy names Stripe's hosts alone."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.test import Client
from django.urls import reverse

from kopeck.web import headers
from tests.support.shop import make_item

BASE_DIR = Path(__file__).resolve().parents[2]
LIVE = {
    "ENV_FILE": os.devnull,
    "SECRET_KEY": "long-enough-for-this-test-and-not-used-anywhere-else-at-all",
    "SITE_URL": "https://shop.example",
    "ALLOWED_HOSTS": "shop.example",
    "DATABASE_URL": "postgresql://127.0.0.1:1/nowhere",
    "STRIPE_SECRET_KEY": "sk_live_headers",
    "STRIPE_PUBLISHABLE_KEY": "pk_live_headers",
    "STRIPE_WEBHOOK_SECRET": "whsec_headers",
}
#: Asks a shop with live keys, over https but once, and writes what it answered.
ASK = """
import django, json
django.setup()
from django.test import Client
shop, found = Client(raise_request_exception=False), {}
for path in ("/healthz", "/static/kopeck.css", "/nothing-here", "/admin/login/", "/webhooks/stripe/default"):
    answer = shop.get(path, secure=True, headers={"host": "shop.example"})
    found[path] = [answer.status_code, dict(answer.headers)]
answer = shop.get("/orders", headers={"host": "shop.example"})
found["http"] = [answer.status_code, dict(answer.headers)]
answer = shop.get("/orders", secure=True, headers={"host": "evil.example"})
found["wrong host"] = [answer.status_code, dict(answer.headers)]
from django.conf import settings
names = ("SESSION", "CSRF", "VISITOR")
found["cookies"] = {
    n: [getattr(settings, f"{n}_COOKIE_NAME"), getattr(settings, f"{n}_COOKIE_SECURE")] for n in names
}
print(json.dumps(found))
"""


def live_shop(**more: str) -> dict[str, Any]:
    """What a shop with live keys and these settings answers; it has no database and needs none for this."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    env = {**kept, "DJANGO_SETTINGS_MODULE": "kopeck.settings", **LIVE, **more}
    ran = subprocess.run(
        [sys.executable, "-c", ASK], cwd=BASE_DIR, env=env, capture_output=True, text=True, timeout=240
    )
    assert ran.returncode == 0, ran.stderr
    answer: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return answer


@pytest.fixture(scope="module")
def live() -> dict[str, Any]:
    return live_shop()


def directives(policy: str) -> dict[str, set[str]]:
    return {part.split()[0]: set(part.split()[1:]) for part in policy.split(";")}


def test_with_live_keys_the_policy_is_stripes_list_and_nothing_else(live: dict[str, Any]) -> None:
    """Stripe's own list for Checkout, Elements and Link; Google Maps is for an element that we don't use."""
    policy = directives(live["/nothing-here"][1]["Content-Security-Policy"])
    js = {"https://js.stripe.com", "https://*.js.stripe.com"}
    link = {"https://link.com", "https://*.link.com"}
    checkout, hooks = "https://checkout.stripe.com", "https://hooks.stripe.com"
    assert policy == {
        "default-src": {"'none'"},
        "base-uri": {"'none'"},
        "object-src": {"'none'"},
        "frame-ancestors": {"'none'"},
        "script-src": {"'self'", checkout} | js,
        "frame-src": {checkout, hooks} | js | link,
        "connect-src": {"'self'", "https://api.stripe.com", checkout} | link,
        "img-src": {"'self'", "https://*.stripe.com", "https://*.link.com"},
        "font-src": {"'self'"},
        "style-src": {"'self'"},
        "style-src-attr": {"'unsafe-inline'"},
        "form-action": {"'self'", checkout},
    }


def test_a_custom_domain_of_checkout_may_be_led_to() -> None:
    found = live_shop(CHECKOUT_HOSTS="checkout.stripe.com, pay.shop.example")
    policy = directives(found["/nothing-here"][1]["Content-Security-Policy"])
    assert policy["form-action"] == {"'self'", "https://checkout.stripe.com", "https://pay.shop.example"}


def test_the_admin_and_the_apis_page_know_no_other_host_than_the_shop(live: dict[str, Any]) -> None:
    assert "http" not in live["/admin/login/"][1]["Content-Security-Policy"]
    assert "http" not in str(headers.policy_for("/api/v1/docs"))


def test_the_pages_of_jobs_alone_may_dress_elements_by_their_style_attribute() -> None:
    """They are the library's. No sheet and no script of anybody's, nor any other page of the admin."""
    jobs, admin = headers.policy_for(headers.JOBS), headers.policy_for("/admin/orders/order/")
    assert reverse("admin:procrastinate_procrastinatejob_changelist") == headers.JOBS
    assert jobs == admin | {"style-src-attr": ["'unsafe-inline'"]}
    others = ("/admin/", "/admin/login/", "/admin/procrastinate/procrastinateperiodicdefer/", "/api/v1/docs")
    assert [path for path in others if "style-src-attr" in headers.policy_for(path)] == []


ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin-allow-popups",
}


def test_every_answer_has_the_headers_also_a_file_an_error_and_a_redirect(live: dict[str, Any]) -> None:
    expected = {
        "/healthz": 200,
        "/static/kopeck.css": 200,
        "/nothing-here": 404,
        "/admin/login/": 200,
        "/webhooks/stripe/default": 405,
        "http": 301,
        "wrong host": 400,
    }
    for path, status in expected.items():
        found, given = live[path]
        assert found == status, path
        assert {name: given.get(name) for name in ALWAYS} == ALWAYS, path
        assert "default-src 'none'" in given["Content-Security-Policy"], path
        assert "frame-ancestors 'none'" in given["Content-Security-Policy"], path
        assert "camera=()" in given["Permissions-Policy"], path
        if status < 300 or status in (404, 405):
            hsts = given["Strict-Transport-Security"]
            assert hsts == "max-age=31536000; includeSubDomains; preload", path


def test_paying_is_allowed_to_the_shop_and_to_stripes_frames(live: dict[str, Any]) -> None:
    given = live["/nothing-here"][1]["Permissions-Policy"]
    assert 'payment=(self "https://js.stripe.com" "https://*.js.stripe.com"' in given


def test_over_https_every_cookie_is_secure_and_bound_to_this_host(live: dict[str, Any]) -> None:
    assert live["cookies"] == {
        "SESSION": ["__Host-sessionid", True],
        "CSRF": ["__Host-csrftoken", True],
        "VISITOR": ["__Host-kopeck_visitor", True],
    }


@pytest.mark.django_db
def test_in_the_sandbox_its_origin_takes_the_place_of_stripes_hosts(settings: Any) -> None:
    settings.SANDBOX_URL, settings.STRIPE_JS_URL = "http://127.0.0.1:8420", "http://127.0.0.1:8420/v3/"
    policy = directives(Client().get("/")["Content-Security-Policy"])
    assert "stripe.com" not in str(policy)
    for part in ("script-src", "frame-src", "connect-src", "form-action"):
        assert "http://127.0.0.1:8420" in policy[part]
    assert "style-src-attr" not in policy


@pytest.mark.django_db
def test_an_uploaded_file_is_a_picture_to_the_browser_whatever_is_in_it(
    settings: Any, tmp_path: Path
) -> None:
    settings.MEDIA_ROOT = tmp_path
    item = make_item()
    item.image.save("x.webp", ContentFile(b"<script>alert(1)</script>"))
    for name in ("page.html", "drawing.svg"):
        (tmp_path / "items" / name).write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
        assert Client().get(f"/media/items/{name}").status_code == 404
    answer = Client().get(item.image.url)
    assert answer["Content-Type"] == "image/webp"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer["Content-Security-Policy"]
    answer.close()
    assert Client().get("/media/../settings.py").status_code == 404


@pytest.mark.django_db
def test_a_nonce_is_fresh_for_every_page_and_stands_in_its_policy(owner: Client) -> None:
    from django.template import engines
    from django.test import RequestFactory

    from kopeck.web.headers import Policies

    def page(request: Any) -> Any:
        from django.http import HttpResponse

        template = engines["django"].from_string('<style nonce="{{ request.csp_nonce }}"></style>')
        return HttpResponse(template.render({}, request))

    seen = set()
    for _ in range(2):
        answer = Policies(page)(RequestFactory().get("/"))
        nonce = answer.content.decode().split('"')[1]
        assert f"'nonce-{nonce}'" in answer["Content-Security-Policy"]
        seen.add(nonce)
    assert len(seen) == 2
