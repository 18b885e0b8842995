"""Mails as files in DATA_DIR/mail, where no mail server is named: addresses and orders' links are in them."""

from pathlib import Path
from typing import Any

from django.core.mail.backends.filebased import EmailBackend as FileBackend

from kopeck.private import close, private_folder


class EmailBackend(FileBackend):
    """Django's, with a folder and files that only their owner may read."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        private_folder(Path(self.file_path))

    def open(self) -> bool:
        opened = super().open()
        close(Path(self.stream.name))
        return bool(opened)
