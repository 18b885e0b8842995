"""The service and the timer that deploy/server writes for the daily backup are what systemd reads."""

import re
import shutil
import subprocess
from pathlib import Path

from tests.support.lacking import lacks
from tests.support.starting import BASE_DIR

UNIT = re.compile(r"^    cat >/etc/systemd/system/(\S+) <<UNIT\n(.*?)^UNIT$", re.M | re.S)


def test_the_daily_backup_is_what_systemd_reads(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        lacks("systemd-analyze (Debian's package systemd)")
    found = dict(UNIT.findall((BASE_DIR / "deploy" / "server").read_text()))
    assert set(found) == {"kopeck-backup.service", "kopeck-backup.timer"}
    for name, text in found.items():
        (tmp_path / name).write_text(text.replace("$FOLDER", str(BASE_DIR)))
    verify = ["systemd-analyze", "verify", *(str(tmp_path / name) for name in found)]
    done = subprocess.run(verify, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
