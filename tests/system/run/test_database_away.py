"""A command that meets no PostgreSQL says so in a sentence and ends; only `manage.py worker` waits for it."""

import subprocess
import sys
from pathlib import Path

from tests.support.shop import ShopSandbox
from tests.support.starting import BASE_DIR, clean_env, free_port

NOBODY = "postgresql://nobody:passw0rd@127.0.0.1:{}/nothing"


def test_a_command_without_its_database_ends_in_a_sentence(sandbox: ShopSandbox, tmp_path: Path) -> None:
    commands = {
        ("-m", "kopeck.ops.prepare", str(tmp_path / "password")): 1,
        ("manage.py", "migrate"): 1,
        ("manage.py", "reset_second_factor", "admin"): 1,
        ("manage.py", "mirror", "--check"): 2,  # 1 would be a difference
        ("manage.py", "reconcile"): 2,
    }
    env = clean_env(
        DATABASE_URL=NOBODY.format(free_port()),
        DATA_DIR=str(tmp_path),
        SECRET_KEY="s",
        STRIPE_SANDBOX="1",
        STRIPE_API_BASE=sandbox.url,
        DJANGO_SETTINGS_MODULE="kopeck.settings",
    )
    # All at once: each waits ten seconds for a connection.
    started = {
        command: subprocess.Popen(
            [sys.executable, *command], cwd=BASE_DIR, env=env, stderr=subprocess.PIPE, text=True
        )
        for command in commands
    }
    for command, process in started.items():
        said = process.communicate(timeout=90)[1]
        assert process.returncode == commands[command], said
        assert "The database failed: " in said.splitlines()[-1]
        assert "Traceback" not in said
        assert "passw0rd" not in said
