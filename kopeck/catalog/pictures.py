"""Pictures of items: whatever is uploaded is decoded and kept as WebP in two widths.

Decoding and writing anew drops what a photo says about its maker (EXIF) and whatever else hides in the file.
"""

import io
import secrets
from functools import cache
from typing import IO, Any

from django.core.files.base import ContentFile
from django.core.files.storage import Storage
from django.core.files.uploadedfile import UploadedFile
from PIL import Image, ImageOps

from kopeck.slow import Few

LARGE, SMALL = 960, 480
MAX_BYTES = 10 * 1024 * 1024
MAX_PIXELS = 40_000_000


class PictureError(ValueError):
    """The file is no picture that we take."""


def upload_to(instance: Any, filename: str) -> str:
    """Random names: a picture's address never changes its meaning, so browsers may keep it for ever."""
    return f"items/{secrets.token_hex(8)}-{LARGE}.webp"


def small(name: str) -> str:
    """The name of the small picture that lies beside the large one."""
    return name.replace(f"-{LARGE}.webp", f"-{SMALL}.webp")


def shrink(file: IO[bytes]) -> "tuple[ContentFile[bytes], ContentFile[bytes]]":
    """The picture as WebP, 960 and 480 pixels wide. Raises PictureError."""
    try:
        with Image.open(file, formats=["PNG", "JPEG", "WEBP", "GIF"]) as opened:
            if opened.width * opened.height > MAX_PIXELS:
                raise PictureError("too many pixels")
            picture = _opaque(ImageOps.exif_transpose(_smaller(opened)))
        return _webp(picture, LARGE), _webp(picture, SMALL)
    except PictureError:
        raise
    except (
        Exception
    ) as problem:  # a broken file makes the decoders raise whatever they like: struct.error too
        raise PictureError(str(problem)) from problem


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


def _smaller(picture: Image.Image) -> Image.Image:
    """Of a huge picture the first frame at twice what is kept, before anything else copies it in memory."""
    if picture.width * picture.height <= 4 * LARGE * LARGE:
        return picture
    picture.draft("RGB", (2 * LARGE, 2 * LARGE))  # a JPEG is not even decoded in full
    if picture.mode == "P":
        picture = picture.convert("RGBA")
    picture.thumbnail((2 * LARGE, 8 * LARGE))
    return picture


def _opaque(picture: Image.Image) -> Image.Image:
    """On white where it is transparent: what lies under transparent pixels is nobody's choice."""
    if picture.mode == "P" or picture.mode.endswith(("A", "a")):
        picture = picture.convert("RGBA")
        ground = Image.new("RGBA", picture.size, "white")
        ground.alpha_composite(picture)
        picture = ground
    return picture.convert("RGB")


def save_small(storage: Storage, large_name: str, content: "ContentFile[bytes]") -> None:
    """Puts the small picture beside the large one, once that one has its name."""
    storage.save(small(large_name), content)


def _webp(picture: Image.Image, width: int) -> "ContentFile[bytes]":
    """At most so wide, and at most four times as high: WebP ends at 16,383 pixels, a page much earlier."""
    scaled = picture.copy()
    scaled.thumbnail((width, 4 * width))
    out = io.BytesIO()
    scaled.save(out, "WEBP", quality=82, method=4)
    return ContentFile(out.getvalue())
