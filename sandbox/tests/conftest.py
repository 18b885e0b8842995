"""Fixtures of the sandbox's own tests: one checked server, and for each test an account of its own."""

import os
import secrets
from collections.abc import Callable, Generator, Iterator

import hypothesis
import pytest
import stripe
from playwright.sync_api import Browser

from sandbox_testing import known_differences
from sandbox_testing.chromium import launched
from sandbox_testing.own import Own, Receiver, own_sandbox, receiving
from sandbox_testing.server import CheckedSandbox, start_checked_sandbox
from sandbox_testing.shop_page import serving_shop
from stripe_sandbox.box import Box

stripe.enable_telemetry = False
# A slow machine makes no random test red.
DEEP = os.environ.get("DEEP") == "1"  # `make test-all` of the shop beside it
hypothesis.settings.register_profile("sandbox", deadline=None, max_examples=400 if DEEP else 30)
hypothesis.settings.load_profile("sandbox")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if call.when == "call" and item.get_closest_marker("contract"):
        known_differences.judge(item.name, call, report)
    return report


@pytest.fixture(scope="session")
def sandbox() -> Iterator[CheckedSandbox]:
    """The server that all tests share; tests keep apart by their accounts."""
    running = start_checked_sandbox()
    yield running
    running.stop()


@pytest.fixture(autouse=True)
def spec_is_kept(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test during which the shared server said or accepted anything that Stripe's spec does not
    have."""
    yield
    if "sandbox" in request.fixturenames:
        running: CheckedSandbox = request.getfixturevalue("sandbox")
        found, running.violations[:] = list(running.violations), []
        assert not found, "against Stripe's spec:\n" + "\n".join(found)


@pytest.fixture(scope="module")
def own() -> Iterator[Own]:
    """A sandbox of the module's own, with a clock and switches of its own."""
    with own_sandbox() as own:
        yield own


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def box() -> Iterator[Box]:
    box = Box()
    yield box
    box.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


@pytest.fixture(scope="module")
def shop() -> Iterator[str]:
    """The address of a shop's page, on an origin of its own."""
    with serving_shop() as address:
        yield address


@pytest.fixture
def account() -> str:
    """A new account: the tail of its keys."""
    return secrets.token_hex(8)


@pytest.fixture
def make_client(sandbox: CheckedSandbox) -> Callable[..., stripe.StripeClient]:
    """`make_client(key, **options)`: the unmodified library, pointed at the sandbox."""

    def make(key: str, **options: object) -> stripe.StripeClient:
        return stripe.StripeClient(key, base_addresses={"api": sandbox.url}, **options)  # type: ignore[arg-type]

    return make


@pytest.fixture
def client(account: str, make_client: Callable[..., stripe.StripeClient]) -> stripe.StripeClient:
    """The library with this test's secret key; it doesn't retry."""
    return make_client(f"sk_test_{account}")
