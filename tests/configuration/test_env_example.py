"""`.env.example` lists every setting, and changes nothing when it is copied as it is."""

import re

from dotenv import dotenv_values

from tests.support.starting import BASE_DIR

EXAMPLE = BASE_DIR / ".env.example"
READS = re.compile(
    r"""\b(?:env|env_bool|env_int|env_list|read_or_exit|env\.get|_port|number)\((?:env, )?["']([A-Z_]+)["']"""
)
READERS = (
    "kopeck/settings.py",
    "kopeck/ops/starting.py",
    "kopeck/ops/serve.py",
    "kopeck/ops/containers.py",
    "kopeck_local/place.py",
    "kopeck_local/__main__.py",
    "kopeck_local/demo.py",
)
ENVIRON = re.compile(r"""\bos\.environ(?:\.get\(|\[)["']([A-Z_]+)["']""")
COMPOSE = re.compile(r"\$\{([A-Z_]+)")
GUIDE = BASE_DIR / "docs" / "guide.md"
#: Not settings of the shop; and NAME_FILE is said once, for all secrets.
FROM_OUTSIDE = {
    *("ENV_FILE", "DJANGO_SETTINGS_MODULE", "MAKELEVEL", "NO_COLOR", "HTTP_PROXY", "PYTHONPATH"),
    *("CODESPACE_NAME", "GITHUB_CODESPACES_PORT_FORWARDING_DOMAIN", "GITPOD_WORKSPACE_URL"),
    *("DATABASE_URL_FILE", "SECRET_KEY_FILE"),
}


def test_every_setting_that_is_read_is_listed() -> None:
    sources = [BASE_DIR / name for name in READERS]
    read = {name for source in sources for name in READS.findall(source.read_text())}
    read |= {name for source in sources for name in ENVIRON.findall(source.read_text())}
    read -= FROM_OUTSIDE
    assert {"PORT", "DEBUG", "DATABASE_POOL", "ALLOWED_HOSTS", "SITE_URL"} <= read
    assert read - listed() == set()


def test_everything_that_compose_asks_for_is_listed() -> None:
    files = [BASE_DIR / name for name in ("compose.yaml", "compose.override.yaml", "compose.demo.yaml")]
    asked = {name for file in files for name in COMPOSE.findall(file.read_text())}
    assert {"DOMAIN", "IMAGE", "PORT"} <= asked
    assert asked - FROM_OUTSIDE - listed() == set()


def test_the_guide_names_no_setting_that_does_not_exist() -> None:
    # A setting stands alone in the guide's code: `NAME`, `NAME=value`, or on a line of its own in a block.
    named = set(
        re.findall(r"(?:`|^    )([A-Z][A-Z_]{3,})(?:=[^`\n]*)?(?:`|$)", GUIDE.read_text(), re.MULTILINE)
    )
    assert {"DOMAIN", "STRIPE_SECRET_KEY"} <= named
    assert named - listed() - {f"{name}_FILE" for name in listed()} - FROM_OUTSIDE == set()


def listed() -> set[str]:
    return set(re.findall(r"^#([A-Z_]+)=", EXAMPLE.read_text(), re.MULTILINE))


def test_copied_as_it_is_it_changes_nothing() -> None:
    assert dotenv_values(EXAMPLE) == {}
