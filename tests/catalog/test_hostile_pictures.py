"""What is uploaded as a picture is decoded and written anew, or refused in a sentence."""

import io
import random
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image

from kopeck.catalog.models import Item
from kopeck.catalog.pictures import PictureError, shrink
from tests.catalog.colours import DISPLAY_P3, rgb_profile

BASE_DIR = Path(__file__).resolve().parents[2]
SCRIPT = b"<script>alert(document.domain)</script>"


def encoded(kind: str, mode: str = "RGB", size: tuple[int, int] = (40, 30), **how: Any) -> bytes:
    """A picture of noise in this format."""
    out = io.BytesIO()
    Image.effect_noise(size, 90).convert(mode).save(out, kind, **how)
    return out.getvalue()


def chunk(name: bytes, body: bytes) -> bytes:
    """One chunk of a PNG."""
    return len(body).to_bytes(4, "big") + name + body + zlib.crc32(name + body).to_bytes(4, "big")


def png_claiming(width: int, height: int) -> bytes:
    """A few bytes that say they are a picture of this size."""
    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\x06\x00\x00\x00"
    rest = chunk(b"IDAT", zlib.compress(b"\x00" * 10_000)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + rest


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.png", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"),
        ("x.jpg", b"<!doctype html>" + SCRIPT),
        ("x.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
        ("x.gif", b"GIF89a" + SCRIPT),
        ("x.png", encoded("BMP")),
        ("x.png", encoded("TIFF")),
        ("x.png", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"),
        ("x.png", png_claiming(60_000, 60_000)),
        ("x.png", png_claiming(2**31 - 1, 1)),
        ("x.png", encoded("PNG")[:-40]),
        ("x.png", b""),
        ("x.zip", b"PK\x03\x04" + b"\x00" * 100),
    ],
)
@pytest.mark.django_db
def test_what_is_no_picture_is_refused_in_the_admin(owner: Client, name: str, content: bytes) -> None:
    data = {"name": "Mug", "price": "1", "currency": "eur", "position": 1}
    answer = owner.post("/admin/catalog/item/add/", {**data, "image": SimpleUploadedFile(name, content)})
    assert answer.status_code == 200
    said = answer.content.decode()
    assert "picture that we can read" in said or "file is empty" in said
    assert not Item.objects.exists()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP"])
def test_nothing_of_a_polyglot_is_left(kind: str) -> None:
    """A picture, and a page behind it, in its comment or in its EXIF."""
    exif = Image.Exif()
    exif[0x010E] = SCRIPT.decode()
    how: dict[str, Any] = {"comment": SCRIPT} if kind in ("JPEG", "GIF") else {}
    how |= {"exif": exif} if kind != "GIF" else {}
    file = encoded(kind, **how) + SCRIPT
    assert file.count(SCRIPT) == (3 if kind == "JPEG" else 2)
    for kept in shrink(io.BytesIO(file)):
        content = kept.read()
        assert b"script" not in content
        assert content[:4] == b"RIFF"
        assert content[8:12] == b"WEBP"


@pytest.mark.django_db
def test_the_uploaded_name_is_used_for_nothing(owner: Client) -> None:
    data = {"name": "Mug", "price": "1", "currency": "eur", "position": 1}
    for name in ("../../../evil.html", "page.html", "x.php.png", "a" * 300 + ".png", "\u202egnp.exe"):
        upload = SimpleUploadedFile(name, encoded("PNG"))
        assert owner.post("/admin/catalog/item/add/", {**data, "image": upload}).status_code == 302
        stored = Item.objects.latest("pk").image.name or ""
        assert stored.startswith("items/")
        assert stored.endswith("-960.webp")
        assert len(stored) == len("items/0123456789abcdef-960.webp")


def test_of_a_film_the_first_picture_is_kept() -> None:
    frames = [Image.new("RGB", (50, 50), (shade, 0, 0)) for shade in range(0, 200, 10)]
    out = io.BytesIO()
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:])
    large, _small = shrink(out)
    with Image.open(large) as kept:
        assert getattr(kept, "n_frames", 1) == 1


def test_a_broken_file_is_refused_whatever_the_decoder_raises() -> None:
    """Three hundred mutants of each format; struct.error out of a JPEG's EXIF was one of them."""
    exif = Image.Exif()
    exif[0x0112], exif[0x011A] = 6, 72.0
    chance = random.Random(5)
    for kind in ("PNG", "JPEG", "GIF", "WEBP"):
        whole = encoded(kind, **({"exif": exif} if kind != "GIF" else {}))
        for _ in range(300):
            mutant = bytearray(whole)
            for _ in range(chance.randint(1, 6)):
                mutant[chance.randrange(min(len(mutant), chance.choice((120, len(mutant)))))] = (
                    chance.randrange(256)
                )
            try:
                shrink(io.BytesIO(bytes(mutant)))
            except PictureError:
                continue


MEASURE = """
import io, resource, sys
from PIL import Image
from kopeck.catalog.pictures import shrink
file = open(sys.argv[1], "rb")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
shrink(file)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.parametrize(
    ("mode", "how"),
    [
        ("RGBA", {"icc_profile": rgb_profile(DISPLAY_P3)}),
        pytest.param("I;16", {"transparency": 7}, marks=pytest.mark.slow),
    ],
)
def test_the_largest_picture_that_is_taken_fits_into_a_small_servers_memory(
    tmp_path: Path, mode: str, how: dict[str, Any]
) -> None:
    """Forty million pixels with transparency: 160 MB decoded, and not several times as much."""
    big = tmp_path / "big.png"
    Image.new(mode, (6300, 6300)).save(big, "PNG", compress_level=1, **how)
    env = {"SECRET_KEY": "x", "STRIPE_SANDBOX": "1", "ENV_FILE": "/dev/null", "PATH": ""}
    ran = subprocess.run(
        [sys.executable, "-c", MEASURE, str(big)],
        cwd=BASE_DIR,
        env=env,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert ran.returncode == 0, ran.stderr
    assert int(ran.stdout) < 300_000  # kilobytes
