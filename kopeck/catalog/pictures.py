"""Pictures of items: whatever is uploaded is decoded and kept as WebP in two widths, upright and in sRGB.

Decoding and writing anew drops what a photo says about its maker (EXIF) and whatever else hides in the file.
Colours that were counted by another profile are converted before it is dropped.
"""

import io
import secrets
from functools import cache
from typing import IO, Any

from django.core.files.base import ContentFile
from django.core.files.storage import Storage
from django.core.files.uploadedfile import UploadedFile
from PIL import Image, ImageCms, ImageOps

from kopeck.database.slow import Few

LARGE, SMALL = 960, 480
MAX_BYTES = 10 * 1024 * 1024
MAX_PIXELS = 40_000_000
#: EXIF's tag, and its values of pictures that are to be turned by a quarter.
_ORIENTATION, _ON_THEIR_SIDES = 0x0112, range(5, 9)
#: What a colour profile calls its numbers, and what Pillow calls them.
_MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}
_SRGB = ImageCms.createProfile("sRGB")


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
    try:
        with Image.open(file, formats=["PNG", "JPEG", "WEBP", "GIF"]) as opened:
            if opened.width * opened.height > MAX_PIXELS:
                raise PictureError("too many pixels")
            picture = _opaque(_in_srgb(ImageOps.exif_transpose(_smaller(_eight_bits(opened)))))
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


def _eight_bits(picture: Image.Image) -> Image.Image:
    """Of 65,536 greys 256: Pillow's own conversion cuts all but the 256 darkest off, to white."""
    if not picture.mode.startswith("I"):
        return picture
    clear = picture.info.pop("transparency", None)  # a grey that stands for nothing at all
    tables = [[(level + 128) // 257 for level in range(65536)]]
    if isinstance(clear, int):
        tables.append([0 if level == clear else 255 for level in range(65536)])
    eight = Image.new("LA" if tables[1:] else "L", picture.size)
    for top in range(0, picture.height, 256):  # in strips: whole, it would be four bytes a pixel once more
        strip = picture.crop((0, top, picture.width, min(top + 256, picture.height))).convert("I")
        eight.paste(Image.merge(eight.mode, [strip.point(table, "L") for table in tables]), (0, top))
    eight.info = picture.info
    return eight


def _smaller(picture: Image.Image) -> Image.Image:
    """Of a huge picture the first frame at twice what is kept, before anything else copies it in memory."""
    if picture.width * picture.height <= 4 * LARGE * LARGE:
        return picture
    picture.draft("RGB", (2 * LARGE, 2 * LARGE))  # a JPEG is not even decoded in full
    if picture.mode == "P":
        picture = picture.convert("RGBA")
    lies = picture.getexif().get(_ORIENTATION) in _ON_THEIR_SIDES
    picture.thumbnail((8 * LARGE, 2 * LARGE) if lies else (2 * LARGE, 8 * LARGE))
    return picture


def _in_srgb(picture: Image.Image) -> Image.Image:
    """The colours of its profile as those of every screen; as they are where the profile is broken."""
    if not (profile := picture.info.get("icc_profile")):
        return picture
    alpha = picture.convert("RGBA").getchannel("A") if picture.has_transparency_data else None
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = _MODES[source.profile.xcolor_space.strip()]
        if mode != "RGB" and picture.mode not in (mode, f"{mode}A"):
            return picture  # the profile of another picture: nobody can say what these numbers mean
        colours = picture.convert(mode)
        colours = ImageCms.profileToProfile(colours, source, _SRGB, outputMode="RGB") or colours
    except (ImageCms.PyCMSError, OSError, ValueError, KeyError):
        return picture
    if alpha:
        colours.putalpha(alpha)
    return colours


def _opaque(picture: Image.Image) -> Image.Image:
    """On white where it is transparent: what lies under transparent pixels is nobody's choice."""
    if picture.has_transparency_data:
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
