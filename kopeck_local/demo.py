"""`python -m kopeck_local.demo`: a shop that anybody may try, which begins anew every night.

Shop and local Stripe have one port (one_port.py), visitors of the admin look and change nothing
(kopeck/staff/demo.py), and no key of Stripe's is taken. DEMO_RESET is the hour of the night, in UTC.
"""

import os
import shutil
import sys
import time
from datetime import UTC, datetime, timedelta

from kopeck.configuration.env import env, read_or_exit
from kopeck.ops.starting import Refused
from kopeck_local.__main__ import Run, attend
from kopeck_local.place import Place, read_place

USUAL = {"DEMO": "1", "ONE_PORT": "1", "SHOP_NAME": "Kopeck", "HOST": "0.0.0.0", "PORT": "8080"}  # noqa: S104


def read_hour(text: str) -> timedelta:
    """Of "03:00"; raises ValueError."""
    try:
        hour = datetime.strptime(text, "%H:%M")  # noqa: DTZ007 - only an hour
    except ValueError:
        raise ValueError("it should be an hour such as 03:00, in UTC") from None
    return timedelta(hours=hour.hour, minutes=hour.minute)


def reset_hour() -> timedelta:
    """Of DEMO_RESET; exits in a sentence where it is none."""
    return read_or_exit("DEMO_RESET", read_hour, "03:00")


def next_reset(hour: timedelta, now: datetime) -> datetime:
    """The next time, after `now`, that it is this hour."""
    today = now.replace(hour=0, minute=0, second=0, microsecond=0) + hour
    return today if today > now else today + timedelta(days=1)


def empty(place: Place) -> None:
    """Throws away all that visitors have left. The folder itself may be a volume, and stays."""
    for left in place.data.iterdir():
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left)
        else:
            left.unlink()


def main() -> int:
    """Begin anew each night until asked to stop; the status of kopeck_local."""
    os.environ.update({name: value for name, value in USUAL.items() if not env(name)})
    os.environ["DEMO"] = "1"
    os.environ.setdefault("SITE_URL", f"http://localhost:{os.environ['PORT']}")
    hour = reset_hour()
    while True:
        try:
            place = read_place()
            if not place.sandbox:
                raise Refused("This is the demo, which takes no key of Stripe's. README.md says how to sell.")
        except Refused as refusal:
            print(f"kopeck: {refusal}", file=sys.stderr)
            return 1
        run, until = Run(place), next_reset(hour, datetime.now(UTC)).timestamp()
        status = attend(run, until)
        if status or time.time() < until:
            return status
        empty(place)
        if run.programs.asked_to_stop:
            return 0


if __name__ == "__main__":
    sys.exit(main())
