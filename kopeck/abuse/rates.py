"""How often is too often: "30/10m" is thirty in ten minutes. Pure, for the settings read it too."""

import re
from dataclasses import dataclass

from kopeck.configuration.env import shown

_RATE = re.compile(r"(\d{1,9})/(\d{0,6})([smhd])", re.ASCII)
LONGEST = 366 * 86_400  # the longest window in seconds; of a much longer one no date tells the beginning
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` in a window of `seconds`; a count of 0 limits nothing."""

    count: int
    seconds: int

    def shrunk(self, by: int) -> "Rate":
        """The same window with a part of the count, at least one."""
        return Rate(max(1, self.count // by), self.seconds) if self.count else self


def read_rate(text: str) -> Rate:
    """ "30/10m", "5/s", "100/d", or "0" for no limit. Raises ValueError with half a sentence."""
    if text == "0":
        return Rate(0, 60)
    found = _RATE.fullmatch("".join(text.split()))
    seconds = int(found[2] or 1) * _SECONDS[found[3]] if found else 0
    if found is None or not 0 < seconds <= LONGEST:
        raise ValueError(
            f"a budget looks like 30/10m (thirty in ten minutes, a year at the longest), or 0{shown(text)}"
        )
    return Rate(int(found[1]), seconds)
