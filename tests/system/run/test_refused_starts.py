"""A start that cannot work says so in a sentence, ends with 1, and has started nothing."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from kopeck_local import postgres
from tests.support.starting import BASE_DIR, clean_env, free_port, run_to_end


def two_ports() -> dict[str, str]:
    return {"PORT": str(free_port()), "SANDBOX_PORT": str(free_port())}


@pytest.mark.parametrize("name", ["PORT", "SANDBOX_PORT"])
def test_a_taken_port_is_said_in_a_sentence(name: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = str(other.getsockname()[1])
        ports = {**two_ports(), name: taken}
        refused = run_to_end(DATA_DIR=str(tmp_path / "data"), **ports)
    assert refused.returncode == 1
    (sentence,) = refused.stderr.strip().splitlines()
    assert f"Port {taken} is taken" in sentence
    assert f"set {name} to a free port" in sentence
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("port", ["http", "0", "65536", "8000.5"])
def test_a_port_that_is_none_is_said_in_a_sentence(port: str, tmp_path: Path) -> None:
    refused = run_to_end(DATA_DIR=str(tmp_path / "data"), PORT=port)
    assert refused.returncode == 1
    assert refused.stderr == f"kopeck: PORT should be a whole number from 1 to 65535, not {port!r}.\n"


def test_one_port_for_both_servers_is_refused(tmp_path: Path) -> None:
    port = str(free_port())
    refused = run_to_end(DATA_DIR=str(tmp_path / "data"), PORT=port, SANDBOX_PORT=port)
    assert refused.returncode == 1
    assert "PORT and SANDBOX_PORT" in refused.stderr


def test_the_env_file_is_read_and_the_environment_wins(tmp_path: Path) -> None:
    (tmp_path / "env").write_text(f"PORT=none\nSANDBOX_PORT=neither\nDATA_DIR={tmp_path / 'data'}\n")
    from_file = run_to_end(ENV_FILE=str(tmp_path / "env"))
    assert "PORT should be a whole number from 1 to 65535, not 'none'" in from_file.stderr
    both = run_to_end(ENV_FILE=str(tmp_path / "env"), PORT=str(free_port()))
    assert "SANDBOX_PORT should be a whole number from 1 to 65535, not 'neither'" in both.stderr


@pytest.mark.parametrize(
    "url", ["postgresql://nobody@127.0.0.1:{}/nothing", "mysql://nobody@127.0.0.1:{}/no"]
)
def test_a_database_that_does_not_answer_is_said_in_a_sentence(url: str, tmp_path: Path) -> None:
    refused = run_to_end(DATA_DIR=str(tmp_path / "data"), DATABASE_URL=url.format(free_port()), **two_ports())
    assert refused.returncode == 1
    assert "DATABASE_URL" in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1


def test_a_program_that_ends_by_itself_is_named_with_its_last_words_and_stops_the_rest(folder: Path) -> None:
    (folder / "data").mkdir()
    (folder / "data" / "media").touch()  # where the pictures of the demo shop should be
    ended = run_to_end(DATA_DIR=str(folder / "data"), **two_ports())
    assert ended.returncode == 1
    assert "worker stopped unexpectedly (exit code 1)" in ended.stderr
    assert "media" in ended.stderr
    assert postgres.attach_url(folder / "data") is None


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"STRIPE_SECRET_KEY": "sk_test_a"}, "STRIPE_PUBLISHABLE_KEY is missing"),
        ({"STRIPE_SECRET_KEY": "sk_live_a", "STRIPE_PUBLISHABLE_KEY": "pk_test_a"}, "differ in mode"),
        ({"STRIPE_WEBHOOK_SECRET_EURO": "whsec_a"}, "EURO is not a currency"),
        (
            {"STRIPE_SECRET_KEY": "sk_live_a", "STRIPE_PUBLISHABLE_KEY": "pk_live_a", "DEBUG": "1"},
            "must not be used with DEBUG",
        ),
    ],
)
def test_keys_that_could_hurt_are_refused_before_anything_starts(
    keys: dict[str, str], said: str, tmp_path: Path
) -> None:
    """pain 11"""
    refused = run_to_end(DATA_DIR=str(tmp_path / "data"), **two_ports(), **keys)
    assert refused.returncode == 1
    (sentence,) = refused.stderr.strip().splitlines()
    assert said in sentence
    assert not (tmp_path / "data").exists()


def test_the_shop_itself_refuses_them_too(tmp_path: Path) -> None:
    """pain 11: where no `make run` looked first, as in a container"""
    live = {"STRIPE_SECRET_KEY": "sk_live_a", "STRIPE_PUBLISHABLE_KEY": "pk_live_a"}
    env = clean_env(**live, STRIPE_SANDBOX="1", SECRET_KEY="s", DATA_DIR=str(tmp_path))
    asked = [sys.executable, "-c", "import kopeck.settings"]
    refused = subprocess.run(asked, cwd=BASE_DIR, env=env, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert refused.stderr.strip() == (
        "kopeck: The live key of account default must not be used with STRIPE_SANDBOX."
    )


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"DEBUG": "perhaps"}, "DEBUG should be 1 or 0, not 'perhaps'."),
        ({"ALLOWED_HOSTS": "shop.example/shop"}, "ALLOWED_HOSTS: a name looks like shop.example, not"),
        ({"SITE_URL": "https://shop.example"}, "SITE_URL begins with https://, but TRUSTED_PROXIES names no"),
        ({"HOST": "a..b"}, "HOST should be an address of this machine, not 'a..b' ("),
        ({"DATA_DIR": "/dev/null"}, "DATA_DIR: /dev/null is no folder."),
    ],
)
def test_a_setting_that_cannot_work_is_refused_before_anything_starts(
    wrong: dict[str, str], sentence: str, tmp_path: Path
) -> None:
    refused = run_to_end(**{"DATA_DIR": str(tmp_path / "data"), **two_ports(), **wrong})
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.strip().startswith(f"kopeck: {sentence}")
    assert len(refused.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("name", ["DATABASE_URL", "STRIPE_SECRET_KEY"])
def test_a_secrets_file_that_cannot_be_read_is_said_in_a_sentence(name: str, tmp_path: Path) -> None:
    """By `make run`, before anything is started."""
    more = {f"{name}_FILE": str(tmp_path / "nowhere")}
    if name == "STRIPE_SECRET_KEY":
        more["STRIPE_PUBLISHABLE_KEY"] = "pk_test_a"
    refused = run_to_end(DATA_DIR=str(tmp_path / "data"), **two_ports(), **more)
    assert refused.returncode == 1
    (sentence,) = refused.stderr.strip().splitlines()
    assert f"{name}_FILE can't be read: " in sentence
    assert "No such file or directory" in sentence
    assert postgres.attach_url(tmp_path / "data") is None


@pytest.mark.parametrize("name", ["SECRET_KEY", "DATABASE_URL", "STRIPE_WEBHOOK_SECRET"])
def test_the_shop_itself_says_it_in_a_sentence_too(name: str, tmp_path: Path) -> None:
    """Started by somebody's own service manager, which names files of secrets."""
    file = tmp_path / "secret"
    file.write_bytes(b"\xff\xfe no text")
    for path, said in ((tmp_path, "Is a directory"), (file, "codec can't decode")):
        env = clean_env(
            **({} if name == "SECRET_KEY" else {"SECRET_KEY": "s"}),
            STRIPE_SANDBOX="1",
            DATA_DIR=str(tmp_path),
            **{f"{name}_FILE": str(path)},
        )
        command = [sys.executable, "manage.py", "diffsettings"]
        ended = subprocess.run(
            command, cwd=BASE_DIR, env=env, capture_output=True, text=True, timeout=240, check=False
        )
        assert ended.returncode == 1
        (sentence,) = ended.stderr.strip().splitlines()
        assert sentence.startswith(f"kopeck: {name}_FILE can't be read: ")
        assert said in sentence
