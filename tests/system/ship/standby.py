"""A PostgreSQL with a synchronous standby: what is committed at one is on the disk of the other.

Both are real servers from the package of `make run`; the standby is a copy that follows the first one's log.
"""

import os
import shutil
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg

from kopeck_local import postgres
from kopeck_local.child import spawn


class Pair:
    """`url` names both, as libpq writes it: each connection goes to the one that takes writes."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "standby.log"
        self.first = postgres.start(folder)
        self.first_files = postgres.cluster_dir(folder)
        self.files = self.first_files.with_name(f"{self.first_files.name}-standby")
        self._account = postgres._account(self.first_files)
        self._programs = postgres._programs(self._account)
        self.second = self._follow()
        hosts = ",".join(quote(str(files), safe="") for files in (self.first_files, self.files))
        self.url = (
            f"postgresql://{postgres.SUPERUSER}@{hosts}/{postgres.DATABASE}?target_session_attrs=read-write"
        )

    def _follow(self) -> "subprocess.Popen[bytes]":
        self.files.mkdir(mode=0o700)
        if self._account:
            os.chown(self.files, *self._account)
        source = ["-h", str(self.first_files), "-U", postgres.SUPERUSER]
        copy = [str(self._programs / "pg_basebackup"), "-D", str(self.files), "-R", "-c", "fast", *source]
        copied = spawn(copy, log=self.log, cwd=self.files.parent, account=self._account).wait(120)
        assert copied == 0, self.log.read_text()
        (self.files / ".s.PGSQL.5432.lock").unlink(
            missing_ok=True
        )  # the first one's, whose socket lies there
        server = postgres._serve(self.files, self._programs, self._account, self.log, fast=False)
        # From here on a commit waits for the standby's disk.
        self._ask(self.first_files, "ALTER SYSTEM SET synchronous_standby_names = '*'")
        self._ask(self.first_files, "SELECT pg_reload_conf()")
        follows = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"
        deadline = time.monotonic() + 60
        while self._ask(self.first_files, follows) != 1:
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.1)
        return server

    def lose_the_first(self) -> None:
        """As a machine that burns: all of its processes die at once, and its data are gone."""
        main = psutil.Process(self.first.process.pid)
        for each in (main, *main.children()):
            with suppress(psutil.NoSuchProcess):
                each.kill()
        self.first.process.wait()
        shutil.rmtree(self.first_files)

    def promote(self) -> None:
        self._ask(self.files, "SELECT pg_promote()")

    def stop(self) -> None:
        self.first.stop()
        postgres._end(self.second.pid)
        self.second.wait()
        shutil.rmtree(self.files)

    @staticmethod
    def _ask(files: Path, statement: str) -> object:
        with psycopg.connect(
            host=str(files), user=postgres.SUPERUSER, dbname="postgres", autocommit=True
        ) as to:
            found = to.execute(statement.encode())
            return found.fetchone()[0] if found.description else None  # type: ignore[index]
