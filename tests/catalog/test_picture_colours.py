"""An item's picture looks in the shop as it did where it was taken or drawn."""

import io
import random
from typing import Any

import pytest
from PIL import Image

from kopeck.catalog.pictures import PictureError, shrink
from tests.catalog.colours import (
    DISPLAY_P3,
    SRGB,
    SWAPPED,
    Colour,
    cmyk_profile,
    grey_profile,
    in_srgb,
    picture,
    rgb_profile,
)
from tests.support.depth import DEEP


def kept(file: io.BytesIO, where: tuple[float, float] = (0.5, 0.5)) -> Colour:
    """The colour in the shop, at this part of the width and the height; the large and the small one agree."""
    found = []
    for content in shrink(file):
        with Image.open(content) as opened:
            shown = opened.convert("RGB")
        at = int(where[0] * (shown.width - 1)), int(where[1] * (shown.height - 1))
        red, green, blue = shown.getpixel(at)  # type: ignore[misc]
        found.append((red, green, blue))
    assert is_near(found[0], found[1])
    return found[0]


def is_near(one: Colour, other: Colour, most: int = 6) -> bool:
    """WebP keeps colours roughly."""
    return all(abs(a - b) <= most for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("size", [(257, 40), (5000, 1200)])
def test_a_grey_of_16_bits_keeps_its_greys(size: tuple[int, int]) -> None:
    """From black to white; a huge one is made smaller first."""
    ramp = Image.linear_gradient("L").rotate(90).resize(size).convert("I").point(lambda level: level * 257)
    out = io.BytesIO()
    ramp.convert("I;16").save(out, "PNG")
    with Image.open(out) as written:
        assert written.mode.startswith("I")
    for part in (0.02, 0.25, 0.5, 0.75, 0.98):
        grey = round(255 * part)
        assert is_near(kept(out, (part, 0.5)), (grey, grey, grey), 9), part


@pytest.mark.parametrize(
    ("mode", "colour", "shown", "how"),
    [
        ("1", 1, (255, 255, 255), {}),
        ("L", 100, (100, 100, 100), {}),
        ("LA", (100, 255), (100, 100, 100), {}),
        ("LA", (100, 0), (255, 255, 255), {}),
        ("LA", (0, 128), (127, 127, 127), {}),
        ("P", 7, (7, 7, 7), {}),
        ("P", 7, (255, 255, 255), {"transparency": 7}),
        ("RGB", (200, 100, 50), (200, 100, 50), {}),
        ("RGB", (200, 100, 50), (255, 255, 255), {"transparency": (200, 100, 50)}),
        ("RGBA", (200, 100, 50, 255), (200, 100, 50), {}),
        ("RGBA", (200, 100, 50, 0), (255, 255, 255), {}),
        ("L", 100, (255, 255, 255), {"transparency": 100}),
        ("I;16", 30_000, (117, 117, 117), {}),
        ("I;16", 30_000, (255, 255, 255), {"transparency": 30_000}),
        ("I;16", 30_001, (117, 117, 117), {"transparency": 30_000}),
    ],
)
def test_every_kind_of_png_keeps_its_colour_and_what_is_clear_lies_on_white(
    mode: str, colour: Any, shown: Colour, how: dict[str, Any]
) -> None:
    if mode == "P":
        grey = Image.new("P", (40, 30), colour)
        grey.putpalette([level for number in range(256) for level in (number, number, number)])
        file = io.BytesIO()
        grey.save(file, "PNG", **how)
    else:
        file = picture("PNG", mode, colour, **how)
    assert is_near(kept(file), shown)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_the_colours_of_a_phone_are_those_that_it_showed(kind: str) -> None:
    how: dict[str, Any] = {"icc_profile": rgb_profile(DISPLAY_P3)}
    how |= {"lossless": True} if kind == "WEBP" else {"quality": 95} if kind == "JPEG" else {}
    for colour in ((180, 60, 60), (60, 160, 70), (120, 120, 120), (255, 255, 255)):
        expected = in_srgb(colour, DISPLAY_P3)
        assert is_near(kept(picture(kind, "RGB", colour, **how)), expected), colour
    huge = picture(kind, "RGB", (180, 60, 60), (2500, 2000), **how)
    assert is_near(kept(huge), in_srgb((180, 60, 60), DISPLAY_P3))
    assert not is_near(in_srgb((180, 60, 60), DISPLAY_P3), (180, 60, 60))


@pytest.mark.parametrize(
    ("mode", "colour"), [("RGBA", (200, 0, 0, 255)), ("RGB", (200, 0, 0)), ("P", (200, 0, 0))]
)
def test_a_profile_is_used_for_pictures_of_a_palette_and_with_transparency_too(
    mode: str, colour: Any
) -> None:
    drawn = Image.new("RGB" if mode == "P" else mode, (40, 30), colour)
    file = io.BytesIO()
    (drawn.quantize(4) if mode == "P" else drawn).save(file, "PNG", icc_profile=rgb_profile(SWAPPED))
    assert is_near(kept(file), in_srgb((200, 0, 0), SWAPPED))
    assert is_near(kept(file), (0, 0, 200), 8)


def test_what_is_clear_stays_clear_when_colours_are_converted() -> None:
    half = Image.new("RGBA", (40, 30), (200, 0, 0, 0))
    half.paste((200, 0, 0, 255), (20, 0, 40, 30))
    file = io.BytesIO()
    half.save(file, "PNG", icc_profile=rgb_profile(SWAPPED))
    assert is_near(kept(file, (0.1, 0.5)), (255, 255, 255))
    assert is_near(kept(file, (0.9, 0.5)), (0, 0, 200), 8)


@pytest.mark.parametrize(("mode", "grey"), [("L", 100), ("LA", (100, 255)), ("I;16", 25_700)])
def test_a_profile_of_greys_is_used(mode: str, grey: Any) -> None:
    (level, _, _) = in_srgb((100, 100, 100), SRGB, gamma=1.0)
    assert level > 160
    assert is_near(kept(picture("PNG", mode, grey, icc_profile=grey_profile(1.0))), (level, level, level))


def test_a_grey_picture_with_a_profile_of_colours_is_read_with_it() -> None:
    (level, _, _) = in_srgb((100, 100, 100), SRGB, gamma=1.0)
    file = picture("JPEG", "L", 100, quality=95, icc_profile=rgb_profile(SRGB, 1.0))
    assert is_near(kept(file), (level, level, level))


def test_a_picture_for_the_press_has_the_colours_of_its_inks() -> None:
    cyan = (255, 0, 0, 0)
    plain = kept(picture("JPEG", "CMYK", cyan, quality=95))
    assert is_near(plain, (0, 255, 255), 12)
    red, green, blue = kept(picture("JPEG", "CMYK", cyan, quality=95, icc_profile=cmyk_profile()))
    assert green > 100 > max(red, blue)
    paper = kept(picture("JPEG", "CMYK", (0, 0, 0, 0), quality=95, icc_profile=cmyk_profile()))
    assert is_near(paper, (255, 255, 255), 10)


@pytest.mark.parametrize(
    "profile",
    [b"\0", b"nonsense" * 99, rgb_profile(DISPLAY_P3)[:-60], rgb_profile(DISPLAY_P3)[:130], cmyk_profile(),
     grey_profile(1.0), b"\0" * 300_000],
    ids=["a byte", "nonsense", "cut", "head", "inks", "greys", "long"],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_broken_profile_or_one_of_another_picture_leaves_the_colours_as_they_are(
    profile: bytes, kind: str
) -> None:
    how: dict[str, Any] = {"quality": 95} if kind != "PNG" else {}
    file = picture(kind, "RGB", (200, 100, 50), icc_profile=profile, **how)
    assert is_near(kept(file), (200, 100, 50), 9)


@pytest.mark.random
def test_no_broken_profile_stops_an_upload_or_the_program() -> None:
    chance = random.Random(17)
    for whole, mode, colour in (
        (rgb_profile(DISPLAY_P3), "RGB", (200, 100, 50)),
        (cmyk_profile(), "CMYK", (255, 0, 0, 0)),
        (grey_profile(1.0), "L", 100),
    ):
        for _ in range(150 if DEEP else 15):
            mutant = bytearray(whole)
            for _ in range(chance.randint(1, 8)):
                mutant[chance.randrange(len(mutant))] = chance.randrange(256)
            assert shrink(picture("JPEG", mode, colour, icc_profile=bytes(mutant)))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("size", [(60, 40), (4000, 1000)])
def test_a_picture_stands_as_the_camera_was_held(orientation: int, size: tuple[int, int]) -> None:
    """What is red at the top left of the stored picture, by EXIF's eight ways to hold a camera."""
    stored = Image.new("RGB", size, "blue")
    stored.paste((255, 0, 0), (0, 0, size[0] // 2, size[1] // 2))
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    stored.save(file, "JPEG", quality=95, exif=exif)
    corner = {1: "tl", 2: "tr", 3: "br", 4: "bl", 5: "tl", 6: "tr", 7: "br", 8: "bl"}[orientation]
    at = (0.2 if "l" in corner else 0.8, 0.2 if "t" in corner else 0.8)
    assert is_near(kept(file, at), (255, 0, 0), 12)
    large, _small = shrink(file)
    with Image.open(large) as shown:
        upright = size if orientation < 5 else size[::-1]
        scale = min(1, 960 / upright[0], 3840 / upright[1])
        assert shown.size == tuple(round(length * scale) for length in upright)


def test_what_claims_too_much_is_refused_before_it_is_converted() -> None:
    with pytest.raises(PictureError, match="too many pixels"):
        shrink(picture("PNG", "I;16", 0, (8000, 5001)))
