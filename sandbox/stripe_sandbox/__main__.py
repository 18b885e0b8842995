"""`stripe-sandbox`, or `python -m stripe_sandbox`: the local Stripe as a program."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from stripe_sandbox.command import program


def main(arguments: Sequence[str] | None = None) -> int:
    return program.run(sys.argv[1:] if arguments is None else list(arguments))


if __name__ == "__main__":
    sys.exit(main())
