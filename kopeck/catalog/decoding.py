"""Decodes uploaded pictures, and writes them anew as WebP, upright and in sRGB.

Apart from `pictures`, which imports it when a picture comes: Pillow with its libraries is 3 MB of a process.
"""

import io
from typing import IO

from django.core.files.base import ContentFile
from PIL import Image, ImageCms, ImageOps

MAX_PIXELS = 40_000_000
#: EXIF's tag, and its values of pictures that are to be turned by a quarter.
_ORIENTATION, _ON_THEIR_SIDES = 0x0112, range(5, 9)
#: What a colour profile calls its numbers, and what Pillow calls them.
_MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}
_SRGB = ImageCms.createProfile("sRGB")


def shrink(file: IO[bytes], *widths: int) -> "list[ContentFile[bytes]]":
    """The picture in each of these widths in pixels, the largest first.

    ValueError for what is too large; a broken file makes the decoders raise whatever they like.
    """
    with Image.open(file, formats=["PNG", "JPEG", "WEBP", "GIF"]) as opened:
        if opened.width * opened.height > MAX_PIXELS:
            raise ValueError("too many pixels")
        smaller = _smaller(_eight_bits(opened), widths[0])
        picture = _opaque(_in_srgb(ImageOps.exif_transpose(smaller)))
    return [_webp(picture, width) for width in widths]


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


def _smaller(picture: Image.Image, width: int) -> Image.Image:
    """Of a huge picture the first frame at twice what is kept, before anything else copies it in memory."""
    if picture.width * picture.height <= 4 * width * width:
        return picture
    picture.draft("RGB", (2 * width, 2 * width))  # a JPEG is not even decoded in full
    if picture.mode == "P":
        picture = picture.convert("RGBA")
    lies = picture.getexif().get(_ORIENTATION) in _ON_THEIR_SIDES
    picture.thumbnail((8 * width, 2 * width) if lies else (2 * width, 8 * width))
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


def _webp(picture: Image.Image, width: int) -> "ContentFile[bytes]":
    """At most so wide, and at most four times as high: WebP ends at 16,383 pixels, a page much earlier."""
    scaled = picture.copy()
    scaled.thumbnail((width, 4 * width))
    out = io.BytesIO()
    scaled.save(out, "WEBP", quality=82, method=4)
    return ContentFile(out.getvalue())
