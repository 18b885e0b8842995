"""Which image deploy/update takes, and which one has the name afterwards."""

from pathlib import Path

import pytest

from tests.system.ship.updating import images, make_clone, run, update


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    return make_clone(tmp_path)


def test_a_clone_without_settings_is_built_and_gets_none(clone: Path) -> None:
    asked = update(clone)
    assert "build web IMAGE=kopeck" in asked
    assert images(asked) == {"kopeck"}
    assert not (clone / ".env").exists()


def test_settings_that_name_no_image_mean_a_build_too(clone: Path) -> None:
    (clone / ".env").write_text("DOMAIN=shop.example\n")
    assert "build web IMAGE=kopeck" in update(clone)
    assert (clone / ".env").read_text() == "DOMAIN=shop.example\n"


def test_the_image_of_the_settings_is_pulled(clone: Path) -> None:
    (clone / ".env").write_text("IMAGE=registry.example/kopeck:1\n")
    asked = update(clone)
    assert "pull registry.example/kopeck:1 IMAGE=" in asked
    assert not [line for line in asked if line.startswith("build")]


def test_an_image_that_was_asked_for_is_kept_in_the_settings(clone: Path) -> None:
    (clone / ".env").write_text("IMAGE=registry.example/kopeck:1\nDOMAIN=shop.example\n")
    asked = update(clone, "registry.example/kopeck:2")
    assert images(asked) == {"registry.example/kopeck:2"}
    assert (clone / ".env").read_text() == "DOMAIN=shop.example\nIMAGE=registry.example/kopeck:2\n"


@pytest.mark.parametrize(
    "line", ["IMAGE=kopeck:back", "IMAGE=kopeck:0a1b2c3", 'export IMAGE="kopeck:back" # back']
)
def test_after_going_back_the_next_update_builds_again(clone: Path, line: str) -> None:
    (clone / ".env").write_text(f"DOMAIN=shop.example\n{line}\n")
    asked = update(clone)
    assert "build web IMAGE=kopeck" in asked
    assert images(asked) == {"kopeck"}
    assert (clone / ".env").read_text() == "DOMAIN=shop.example\n", "the next start would go back"


def test_without_a_dockerfile_the_image_that_is_here_is_started_anew(clone: Path) -> None:
    (clone / "Dockerfile").unlink()
    (clone / ".env").write_text("IMAGE=kopeck:0a1b2c3\n")
    asked = update(clone)
    assert [line for line in asked if line.startswith(("build", "pull"))] == []
    assert images(asked) == {"kopeck:0a1b2c3"}
    assert (clone / ".env").read_text() == "IMAGE=kopeck:0a1b2c3\n"


@pytest.mark.parametrize("words", [(), ("kopeck:gone",)])
def test_an_image_that_is_nowhere_is_said_so(clone: Path, words: tuple[str, ...]) -> None:
    (clone / "Dockerfile").unlink()
    (clone / ".env").write_text("IMAGE=kopeck:gone\n")
    done, asked = run(clone, *words, NOT_HERE="kopeck:gone")
    assert done.returncode == 1
    assert "kopeck:gone" in done.stderr
    assert "registry" in done.stderr
    assert [line for line in asked if line.startswith(("pull", "run", "up"))] == []


@pytest.mark.parametrize("broken", ["--name kopeck-once", "120 web2 IMAGE=NAME"])
@pytest.mark.parametrize(
    ("settings", "name"), [("", "kopeck"), ("IMAGE=registry.example/kopeck:1\n", "registry.example/kopeck:1")]
)
def test_a_failed_update_gives_the_name_back_to_the_old_image(
    clone: Path, settings: str, name: str, broken: str
) -> None:
    (clone / ".env").write_text(settings)
    done, asked = run(clone, BROKEN=broken.replace("NAME", name))
    assert done.returncode == 1
    assert "old version" in done.stderr
    assert asked[-1] == f"tag an-image-that-runs {name} IMAGE="
    assert (clone / ".env").read_text() == settings


def test_going_back_twice_and_failing_keeps_the_name_on_what_runs(clone: Path) -> None:
    (clone / ".env").write_text("IMAGE=kopeck:back\n")
    done, asked = run(clone, "--back", BROKEN="--name kopeck-once")
    assert done.returncode == 1
    assert asked[-1] == "tag an-image-that-runs kopeck:back IMAGE="


def test_a_failed_update_to_a_named_image_moves_no_name(clone: Path) -> None:
    (clone / ".env").write_text("IMAGE=registry.example/kopeck:1\n")
    done, asked = run(clone, "registry.example/kopeck:2", BROKEN="--name kopeck-once")
    assert done.returncode == 1
    assert [line for line in asked if line.startswith("tag")] == [
        "tag an-image-that-runs kopeck:before-update IMAGE="
    ]


def test_settings_without_an_end_of_line_get_one_before_the_image(clone: Path) -> None:
    (clone / ".env").write_text("DOMAIN=shop.example")
    update(clone, "kopeck:2")
    assert (clone / ".env").read_text() == "DOMAIN=shop.example\nIMAGE=kopeck:2\n"
