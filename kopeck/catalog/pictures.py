"""Pictures of items: whatever is uploaded is decoded and kept as WebP in two widths, upright and in sRGB.

Decoding and writing anew drops what a photo says about its maker (EXIF) and whatever else hides in the file.
Colours that were counted by another profile are converted before it is dropped.
"""

import secrets
from functools import cache
from typing import IO, Any

from django.core.files.base import ContentFile
from django.core.files.storage import Storage
from django.core.files.uploadedfile import UploadedFile

from kopeck.database.slow import Few

LARGE, SMALL = 960, 480
MAX_BYTES = 10 * 1024 * 1024


class PictureError(ValueError):
    """The file is no picture that we take."""


def upload_to(instance: Any, filename: str) -> str:
    """Random names: a picture's address never changes its meaning, so browsers may keep it for ever."""
    return f"items/{secrets.token_hex(8)}-{LARGE}.webp"


def small(name: str) -> str:
    """The name of the small picture that lies beside the large one."""
    return name.replace(f"-{LARGE}.webp", f"-{SMALL}.webp")


def shrink(file: IO[bytes]) -> "tuple[ContentFile[bytes], ContentFile[bytes]]":
    """The picture as WebP in sRGB, 960 and 480 pixels wide. Raises PictureError."""
    from kopeck.catalog import decoding  # its docstring says why here

    try:
        large, small = decoding.shrink(file, LARGE, SMALL)
    except Exception as problem:
        raise PictureError(str(problem)) from problem
    return large, small


@cache
def _decoders() -> Few:
    return Few(at_once=1, patience=20)  # a large picture takes 300 MB while it is decoded


def shrink_once(upload: "UploadedFile[Any]") -> "tuple[ContentFile[bytes], ContentFile[bytes]]":
    """As `shrink`, for what was uploaded, and a second time what it was made into the first time.

    One at a time in a process, and without a database connection, save in a transaction: so it is called
    before that begins, and again by the form. Raises ShopError 429 where too many wait.
    """
    kept = upload.__dict__
    if "shrunk" not in kept:
        with _decoders().turn():
            upload.seek(0)
            try:
                kept["shrunk"] = shrink(upload)
            except PictureError as problem:
                kept["shrunk"] = problem
    if isinstance(kept["shrunk"], PictureError):
        raise kept["shrunk"]
    large, small = kept["shrunk"]
    return large, small


def save_small(storage: Storage, large_name: str, content: "ContentFile[bytes]") -> None:
    """Puts the small picture beside the large one, once that one has its name."""
    storage.save(small(large_name), content)
