"""`.env.example` lists every setting, and changes nothing when it is copied as it is."""

import re

from dotenv import dotenv_values

from tests.run.starting import BASE_DIR

EXAMPLE = BASE_DIR / ".env.example"
READS = re.compile(r"""\b(?:env|env_bool|env_int|env_list|env\.get|_port)\((?:env, )?["']([A-Z_]+)["']""")
FROM_OUTSIDE = {"DATABASE_URL_FILE", "SECRET_KEY_FILE"}  # said once, for all secrets


def test_every_setting_that_is_read_is_listed() -> None:
    sources = [BASE_DIR / "kopeck" / name for name in ("settings.py", "place.py", "run.py")]
    read = {name for source in sources for name in READS.findall(source.read_text())} - FROM_OUTSIDE
    assert {"PORT", "DEBUG", "DATABASE_POOL", "ALLOWED_HOSTS", "SITE_URL"} <= read
    listed = set(re.findall(r"^#([A-Z_]+)=", EXAMPLE.read_text(), re.MULTILINE))
    assert read - listed == set()


def test_copied_as_it_is_it_changes_nothing() -> None:
    assert dotenv_values(EXAMPLE) == {}
