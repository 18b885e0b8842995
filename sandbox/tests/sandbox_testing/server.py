"""A sandbox for tests: on a free port, in memory, with every API call checked against Stripe's spec."""

from collections.abc import Sequence
from dataclasses import dataclass

from sandbox_testing.spec import Checked
from stripe_sandbox.app import SandboxServer, create_app
from stripe_sandbox.box import Box


@dataclass
class CheckedSandbox:
    """A running sandbox. `violations` is empty as long as it keeps to the spec; `stop()` when done."""

    url: str
    box: Box
    checked: Checked
    server: SandboxServer

    @property
    def violations(self) -> list[str]:
        return self.checked.violations

    def stop(self) -> None:
        self.server.stop()
        self.box.close()


def start_checked_sandbox(
    webhooks: Sequence[str] = (), *, path: str = ":memory:", public_url: str | None = None
) -> CheckedSandbox:
    """`webhooks` as on the command line: `URL=whsec_...` or `TAIL@URL=whsec_...`."""
    box = Box(path, public_url=public_url, webhooks=webhooks)
    checked = Checked(create_app(box))
    server = SandboxServer(box, app=checked).start()
    return CheckedSandbox(server.url, box, checked, server)
