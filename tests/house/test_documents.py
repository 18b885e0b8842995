"""What README and docs name is there: commands and options, targets, files, services, addresses."""

import argparse
import importlib.util
import os
import re
import subprocess
from collections.abc import Iterator

import pytest
from django.core.management import get_commands, load_command_class
from django.urls import Resolver404, resolve

from manage import FOR_PEOPLE
from tests.support.starting import BASE_DIR

DOCUMENTS = [
    BASE_DIR / "README.md",
    BASE_DIR / "README.ru.md",
    BASE_DIR / "CONTRIBUTING.md",
    *sorted((BASE_DIR / "docs").glob("*.md")),
]
#: Without pictures that are drawn from text, whose fences would turn code and prose round.
TEXT = {file.name: re.sub(r"^```.*?^```$", "", file.read_text(), flags=re.M | re.S) for file in DOCUMENTS}
ALL = "\n".join(TEXT.values())
#: Code: `like this`, maybe over the end of a line, and indented blocks, where # begins a remark.
SPANS = [" ".join(span.split()) for text in TEXT.values() for span in re.findall(r"`([^`]+)`", text)]
BLOCKS = [
    line.split("#")[0].strip() for text in TEXT.values() for line in re.findall(r"^    (\S.*)$", text, re.M)
]
CODE = SPANS + BLOCKS
#: Where a file that is named shortly may lie.
ROOTS = (
    *(".", "kopeck", "docs", "deploy/kubernetes", "deploy/observability"),
    *(path.relative_to(BASE_DIR).as_posix() for path in (BASE_DIR / "tests").rglob("*/") if path.is_dir()),
    ".github/workflows",
    "sandbox/stripe_sandbox",
    "sandbox/tests",
)
#: Django's names, and Procrastinate's: many rooms have them.
OF_MANY_ROOMS = {"admin.py", "jobs.py", "management/", "migrations/"}
FILE = re.compile(r"[\w.*/-]+\.(?:py|md|yaml|yml|sh|js|css|json|txt|toml|webp)")
#: Files that the reader has or that a run makes.
THE_READERS = {".pictures/", ".env.production", ".bench/"}


def words(pattern: str) -> list[tuple[str, list[str]]]:
    """Every use of `pattern` (one group: a name) in code, with the words after it."""
    return [
        (found[1], re.split(r"[;&|()]", found[2])[0].split())
        for code in CODE
        for found in re.finditer(rf"(?<![\w/-])(?:{pattern})((?:\s+[^\s;&|]+)*)", code)
    ]


def options(given: list[str]) -> list[str]:
    return [word.split("=")[0] for word in given if word.startswith("--")]


def known_options(command: str) -> set[str]:
    app = get_commands()[command]
    loaded = load_command_class(app, command) if isinstance(app, str) else app
    return set(_of(loaded.create_parser("manage.py", command)))


def _of(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        yield from action.option_strings
        if isinstance(action, argparse._SubParsersAction):
            yield from (name for name in action.choices)


def test_every_management_command_exists_with_its_options() -> None:
    used = words(r"(?:python )?manage\.py ([a-z_]+)")
    assert {"doctor", "stripe_webhooks", "reconcile", "mirror", "reset_second_factor"} <= {n for n, _ in used}
    assert [name for name, _ in used if name not in get_commands()] == []
    wrong = [(name, option) for name, given in used for option in set(options(given)) - known_options(name)]
    assert wrong == []
    assert known_options("mirror") >= {"--check", "--repair"}
    assert "worker" in known_options("procrastinate")


def test_what_commands_say_to_people_is_not_torn_by_lines_of_the_log() -> None:
    """docs/observability.md promises it of every command of ours but those that run in containers."""
    ours = {name for name, app in get_commands().items() if str(app).startswith("kopeck.")}
    assert set(FOR_PEOPLE) == ours - {"worker", "migrate", "load_demo"}


def test_every_script_of_deploy_exists_and_knows_its_options() -> None:
    used = words(r"deploy/([a-z_]+(?:\.py)?)(?![\w/.])")
    assert {"server", "update", "backup", "restore", "smoke.py"} <= {name for name, _ in used}
    for name, given in used:
        script = BASE_DIR / "deploy" / name
        assert os.access(script, os.X_OK), name
        for option in options(given):
            assert option in script.read_text(), f"deploy/{name} {option}"


def test_every_target_of_make_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (BASE_DIR / "Makefile").read_text(), re.M))
    named = {name for name, _ in words(r"make ([a-z-]+)")}
    assert {"run", "test", "check", "check-ship", "audit", "chaos"} <= named
    assert named - targets == set()


def test_every_module_that_is_run_exists() -> None:
    named = {name.rstrip(".") for name, _ in words(r"python -m ([\w.]+)")}
    assert {"bench.pages", "stripe_sandbox", "kopeck.ops.serve"} <= named
    assert [name for name in sorted(named) if importlib.util.find_spec(name) is None] == []


COMPOSE_FILES = ("compose.yaml", "compose.override.yaml", "compose.demo.yaml")


def test_every_service_that_compose_is_asked_about_exists() -> None:
    files = "".join((BASE_DIR / name).read_text() for name in COMPOSE_FILES)
    services = set(re.findall(r"^  ([a-z0-9]+):$", files.split("\nservices:", 1)[1], re.M))
    asked = {name for name, _ in words(r"docker compose (?:exec|logs|up -d|restart) (?:-T )?([a-z0-9]+)")}
    assert {"web", "worker"} <= asked
    assert asked - services == set()


def test_every_file_that_is_named_exists() -> None:
    named = {word for span in SPANS for word in span.split() if FILE.fullmatch(word)}
    named |= {span for span in SPANS if re.fullmatch(r"[\w.-]+(?:/[\w.-]+)*/", span) and span[0] != "/"}
    assert len(named) > 80
    assert sorted(name for name in named - THE_READERS - OF_MANY_ROOMS if not exists(name)) == []
    for name in OF_MANY_ROOMS:
        assert len(list((BASE_DIR / "kopeck").glob(f"*/{name}"))) > 4, name


def test_every_picture_and_link_is_there() -> None:
    for file in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#\s]+)\)", file.read_text()):
            assert target.startswith("https://") or (file.parent / target).exists(), f"{file.name}: {target}"


def test_the_map_in_the_readme_is_the_folder() -> None:
    drawn = re.findall(r"^    (?:  )?([a-z_]+(?:/|\.py))", TEXT["README.md"], re.M)
    folders = {
        f"{path.parent.name}/" for path in BASE_DIR.glob("*/*") if path.suffix in (".py", ".md", ".toml")
    }
    folders = {name for name in folders | {"deploy/"} if not name.startswith(".")}
    assert len(folders) >= 7
    assert set(drawn) == folders


#: Places on a server, and the beginnings and ends of addresses.
ELSEWHERE = ("data", "opt", "eur", "etc", "stripe", "ru")


@pytest.mark.parametrize("text", sorted(TEXT))
def test_every_address_of_the_shop_leads_somewhere(text: str) -> None:
    for span in re.findall(r"`(?:(?:GET|POST) )?(/[a-z][\w{}/-]*)`", TEXT[text]):
        path = re.sub(r"\{account\}", "default", span)
        path = re.sub(r"\{\w+\}", "1", path)
        if path.split("/")[1] in ELSEWHERE:
            continue
        try:
            found = resolve(path)
        except Resolver404:
            found = resolve(f"{path}/")
        # The admin takes every address and answers most of them with 404.
        assert getattr(found.func, "__name__", "") != "catch_all_view", path


def exists(name: str) -> bool:
    return any(next((BASE_DIR / root).glob(name), None) for root in ROOTS)


def test_who_is_told_of_an_image_in_a_registry_is_told_to_log_in() -> None:
    registries = set(re.findall(r"([\w.-]+\.\w+)/you/kopeck", TEXT["guide.md"]))
    assert registries
    assert [name for name in registries if not any(f"docker login {name}" in code for code in CODE)] == []


def test_decisions_are_numbered_by_subject_and_those_that_are_named_exist() -> None:
    subjects = re.findall(r"^## (\d+) \S.*?$(.*?)(?=^## |\Z)", TEXT["decisions.md"], re.M | re.S)
    found = {subject: re.findall(r"^### (\d+\.\d+) \S", text, re.M) for subject, text in subjects}
    assert list(found) == [str(number + 1) for number in range(len(subjects))]
    for subject, numbers in found.items():
        assert numbers == [f"{subject}.{number + 1}" for number in range(len(numbers))]
    sources = [path.read_text() for path in BASE_DIR.glob("kopeck*/**/*.py")]
    named = set(re.findall(r"(?:[Dd]ecision|decisions\.md) (\d+\.\d+)", "\n".join([ALL, *sources])))
    assert {"12.3", "12.5", "12.9"} <= named
    assert named - {number for numbers in found.values() for number in numbers} == set()


def test_no_file_holds_both_sides_of_a_merge() -> None:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=BASE_DIR, capture_output=True, text=True, check=True
    ).stdout
    files = [BASE_DIR / name for name in listed.splitlines() if (BASE_DIR / name).is_file()]
    marker = re.compile(rb"^(<{7}|>{7}) ", re.M)
    assert [file.name for file in files if marker.search(file.read_bytes())] == []


#: Of pages and of Stripe's events, which are no calls of the API.
NOT_OF_THE_API = {
    *("bad_address", "bad_price", "cookies_needed", "forbidden", "form_expired", "link_expired"),
    *("event_failed", "no_such_endpoint", "payload_unreadable", "log_in_first", "too_many_passwords"),
    *("not_in_review", "page_not_found", "prefetch"),
}


def test_the_api_page_names_every_code_of_a_refusal_and_no_other() -> None:
    source = "\n".join(path.read_text() for path in (BASE_DIR / "kopeck").rglob("*.py"))
    codes = set(re.findall(r'(?:ShopError|super\(\).__init__)\(\s*"(\w+)"', source)) | {"server_error"}
    assert len(codes) > 60
    table = TEXT["api.md"].split("## Errors")[1].split("## Webhooks")[0]
    named = set(re.findall(r"`([a-z_]+)`", table))
    assert named == codes - NOT_OF_THE_API
    assert codes >= NOT_OF_THE_API
