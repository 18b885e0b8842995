"""How much is tried at random: a little in `make test`, and all in `make test-all`, which has DEEP=1."""

import os

DEEP = os.environ.get("DEEP") == "1"
