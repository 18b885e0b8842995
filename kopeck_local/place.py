"""The ports, the data folder and the secrets of one `make run`, and the environment that its programs get.

They are read from the environment, then from `.env`. Secrets are made once, and only their owner can read
them.
"""

import os
import secrets
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dotenv import dotenv_values

from kopeck.configuration.env import env as value_of
from kopeck.configuration.env import env_bool, env_int, read_folder, read_or_exit
from kopeck.ops.starting import ANYWHERE, SANDBOX_ACCOUNTS, Refused, keep
from kopeck.stripe_api.accounts import SANDBOX_TAIL, WEBHOOK_SECRET

BASE_DIR = Path(__file__).resolve().parent.parent
#: In DATA_DIR: where the shop of it listens, or did last.
ADDRESS = "address"
#: Below which the sandbox is found where both have one port.
FOLDER = "/stripe"


@dataclass(frozen=True)
class Place:
    """Where this run listens and keeps its data, and the environment that its programs get."""

    env: dict[str, str]
    host: str
    port: int
    sandbox_port: int
    data: Path
    sandbox: bool
    #: Browsers reach the sandbox by the shop's own address (kopeck_local/one_port.py).
    one_port: bool = False

    @property
    def shop(self) -> str:
        return f"http://{reachable(self.host)}:{self.port}"

    @property
    def sandbox_url(self) -> str:
        return f"http://{reachable(self.host)}:{self.sandbox_port}"

    @property
    def sandbox_for_browsers(self) -> str:
        """The sandbox's address outside this machine."""
        if self.one_port:
            return f"{value_of('SITE_URL', self.shop, of=self.env).rstrip('/')}{FOLDER}"
        return self.sandbox_url

    @property
    def password_file(self) -> Path:
        return self.data / "admin-password"

    def leave_address(self) -> None:
        """Write the ports into DATA_DIR, for `manage.py` beside this run, which knows only that folder."""
        lines = (f"HOST={self.host}", f"PORT={self.port}", f"SANDBOX_PORT={self.sandbox_port}", "")
        (self.data / ADDRESS).write_text("\n".join(lines))


def read_place(*, beside: bool = False) -> Place:
    """Read the environment and `.env` (ENV_FILE names another). Raises Refused, or exits in a sentence.

    `beside`: for a command beside a running shop, whose ports it was given only at its start.
    """
    try:
        file = dotenv_values(os.environ.get("ENV_FILE", BASE_DIR / ".env"))
    except (OSError, UnicodeDecodeError) as problem:
        raise Refused(f".env can't be read (it should be UTF-8): {problem}.") from None
    env = {name: value for name, value in {**file, **os.environ}.items() if value is not None}
    if beside:
        # Before `.env`: that shop may have been given others in the environment of its start.
        left = {name: value for name, value in dotenv_values(_data(env) / ADDRESS).items() if value}
        env |= {name: value for name, value in left.items() if name not in os.environ}
    forwarded = forwarded_address(env)
    env = {**forwarded, **env}
    keys = ("STRIPE_SECRET_KEY", "STRIPE_PUBLISHABLE_KEY")
    place = Place(
        env=env,
        host=value_of("HOST", "127.0.0.1", of=env),
        port=env_int("PORT", 8000, 1, 65535, of=env),
        sandbox_port=env_int("SANDBOX_PORT", 8420, 1, 65535, of=env),
        data=_data(env),
        sandbox=not any(value and name.upper().startswith(keys) for name, value in env.items()),
        one_port=env_bool("ONE_PORT", bool(forwarded), of=env),
    )
    if place.sandbox and place.port == place.sandbox_port:
        raise Refused(f"PORT and SANDBOX_PORT are both {place.port}: set one of them to another.")
    return place


def forwarded_address(env: Mapping[str, str]) -> dict[str, str]:
    """Settings for an editor in the browser, which shows a port of its machine at an https address; else {}.

    Each port has another name there, and asks for a log-in of its own: hence one port for both.
    """
    port = value_of("PORT", "8000", of=env)
    name, domain = env.get("CODESPACE_NAME"), env.get("GITHUB_CODESPACES_PORT_FORWARDING_DOMAIN")
    workspace = env.get("GITPOD_WORKSPACE_URL", "")
    if name and domain:
        address = f"https://{name}-{port}.{domain}"
    elif workspace.startswith("https://"):
        address = workspace.replace("https://", f"https://{port}-", 1)
    else:
        return {}
    # The editor's own program on this machine takes https off, and says so.
    return {"SITE_URL": address, "TRUSTED_PROXIES": "127.0.0.0/8,::1/128"}


def _data(env: Mapping[str, str]) -> Path:
    return read_or_exit("DATA_DIR", read_folder, str(BASE_DIR / ".data"), of=env)


def reachable(host: str) -> str:
    if host in ANYWHERE:
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def require_settings(place: Place) -> None:
    """Raises Refused in the sentence with which the shop's settings would refuse this environment."""
    env = {"SECRET_KEY": "x" * 50, **place.env, "DATA_DIR": str(place.data)}
    if place.sandbox:
        env["STRIPE_SANDBOX"] = "1"
    asked = [sys.executable, "-c", "import kopeck.settings"]
    ended = subprocess.run(asked, cwd=BASE_DIR, env=env, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise Refused(ended.stderr.strip().rpartition("\n")[2].removeprefix("kopeck: "))


def require_database(url: str) -> None:
    """Raises Refused, in a sentence, where no PostgreSQL answers at this address."""
    import psycopg

    try:
        psycopg.connect(url, connect_timeout=10).close()
    except psycopg.ProgrammingError:
        raise Refused("DATABASE_URL should look like postgresql://user:password@host:5432/name.") from None
    except psycopg.Error as error:
        why = " ".join(str(error).split())
        raise Refused(f"There is no connection to the PostgreSQL of DATABASE_URL: {why}") from None


def shop_env(place: Place, database_url: str | None) -> dict[str, str]:
    """The environment of the programs; `database_url` is the embedded one. What the owner set wins."""
    env = {**place.env, "DATA_DIR": str(place.data), "PYTHONUNBUFFERED": "1"}
    if database_url:
        env["DATABASE_URL"] = database_url
    if not any(env.get(name) for name in ("SECRET_KEY", "secret_key", "SECRET_KEY_FILE")):
        env["SECRET_KEY"] = keep(place.data / "secret-key", lambda: secrets.token_urlsafe(50))
    hosts = value_of("ALLOWED_HOSTS", "localhost,[::1]", of=env)
    # Our own question to /readyz and the sandbox's webhooks come by this address.
    env["ALLOWED_HOSTS"] = f"{hosts},127.0.0.1,{reachable(place.host)}"
    if place.sandbox:
        env["STRIPE_SANDBOX"] = "1"
        env["SANDBOX_URL"] = env.get("SANDBOX_URL") or place.sandbox_for_browsers
        env["STRIPE_API_BASE"] = env.get("STRIPE_API_BASE") or place.sandbox_url
        env["STRIPE_JS_URL"] = env.get("STRIPE_JS_URL") or f"{env['SANDBOX_URL'].rstrip('/')}/v3/"
        for suffix, file in SANDBOX_ACCOUNTS.items():
            name = f"{WEBHOOK_SECRET}{suffix}"
            env[name] = value_of(name, of=env) or keep(
                place.data / file, lambda: f"whsec_{secrets.token_hex(24)}"
            )
            env.pop(f"{name}_FILE", None)  # said twice, it would be refused
    return env


def sandbox_endpoints(place: Place, env: Mapping[str, str]) -> list[str]:
    """For the sandbox's `--webhook`: where the events of each account go, and the secret that signs them."""
    endpoints = []
    for name, value in sorted(env.items()):
        suffix = name.removeprefix(f"{WEBHOOK_SECRET}_").lower()
        secret = value.split(",")[0].strip()
        if secret and name == WEBHOOK_SECRET:
            endpoints.append(f"{SANDBOX_TAIL}@{place.shop}/webhooks/stripe/default={secret}")
        elif secret and name == f"{WEBHOOK_SECRET}_{suffix.upper()}":
            endpoints.append(f"{SANDBOX_TAIL}{suffix}@{place.shop}/webhooks/stripe/{suffix}={secret}")
    return endpoints
