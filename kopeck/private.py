"""Files that only their owner may read, whatever the umask and whatever was there: secrets, mails, logs."""

import stat
from contextlib import suppress
from pathlib import Path


def private_folder(path: Path) -> None:
    """Make the folder, or close the one that is there with the files in it. OSError if it can't be made."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.stat().st_mode & 0o077:
        return  # and nobody gets at what is in it
    close(path)
    for file in path.iterdir():
        if file.is_file():
            close(file)


def close(path: Path) -> None:
    """Take from others what they may do with it; what is not there, or another account's, stays as it is."""
    with suppress(PermissionError, FileNotFoundError):
        path.chmod(stat.S_IMODE(path.stat().st_mode) & 0o700)
