"""A proxy that Docker gives to every container keeps Caddy from none of the web servers."""

import subprocess
from pathlib import Path

from tests.support.recording_proxy import recording_proxy
from tests.support.starting import BASE_DIR, free_port
from tests.system.ship.servers import caddy_here, wait_for


def test_caddy_asks_the_web_servers_directly(caddy: str, tmp_path: Path) -> None:
    # In capitals: Caddy's library spares the name localhost by itself, and none of compose.yaml.
    with recording_proxy(200) as web, recording_proxy() as proxy:
        site = f"http://127.0.0.1:{free_port()}"
        command, env = caddy_here(caddy, tmp_path, site, f"LOCALHOST:{web.server_port}", **proxy.env)
        with (tmp_path / "log").open("wb") as log:
            door = subprocess.Popen(command, cwd=BASE_DIR, env=env, stdout=log, stderr=log)
        try:
            wait_for(f"{site}/x", 200, door)
        finally:
            door.terminate()
            door.wait(240)
    assert proxy.asked == []
    assert set(web.asked) == {"GET /readyz", "GET /x"}
