"""Colour profiles and pictures for the tests, made here byte by byte: none may be copied, all are tiny."""

import io
import struct
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

from PIL import Image

Colour = tuple[int, int, int]
Triple = Sequence[float]

#: X, Y, Z at D50 of each primary colour (ICC's own white).
SRGB = ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410))
DISPLAY_P3 = ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407))
#: What it calls red is blue, what it calls green is red: nobody can miss that it was used.
SWAPPED = (SRGB[2], SRGB[0], SRGB[1])
D50 = (0.96420, 1.0, 0.82491)


def _xyz(values: Triple) -> bytes:
    return b"XYZ \0\0\0\0" + b"".join(struct.pack(">i", round(value * 65536)) for value in values)


def _gamma(value: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(value * 256)) + b"\0\0"


def _text(words: bytes) -> bytes:
    return b"desc\0\0\0\0" + struct.pack(">I", len(words) + 1) + words + b"\0" * 79


def _profile(space: bytes, pcs: bytes, kind: bytes, tags: Mapping[bytes, bytes]) -> bytes:
    tags = {b"desc": _text(b"of the tests"), b"cprt": b"text\0\0\0\0none\0", b"wtpt": _xyz(D50), **tags}
    table, body, at = b"", b"", 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        content += b"\0" * (-len(content) % 4)
        table += name + struct.pack(">II", at + len(body), len(content))
        body += content
    size = 128 + 4 + len(table) + len(body)
    head = struct.pack(">I4xI4s4s4s12x", size, 0x02400000, kind, space, pcs) + b"acsp" + b"\0" * 28
    head += b"".join(struct.pack(">i", round(value * 65536)) for value in D50)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def rgb_profile(primaries: Sequence[Triple], gamma: float = 2.2) -> bytes:
    named = zip((b"rXYZ", b"gXYZ", b"bXYZ"), (b"rTRC", b"gTRC", b"bTRC"), primaries, strict=True)
    tags = {}
    for colour, curve, values in named:
        tags |= {colour: _xyz(values), curve: _gamma(gamma)}
    return _profile(b"RGB ", b"XYZ ", b"mntr", tags)


def grey_profile(gamma: float) -> bytes:
    return _profile(b"GRAY", b"XYZ ", b"mntr", {b"kTRC": _gamma(gamma)})


def cmyk_profile() -> bytes:
    """No ink is white, cyan alone a green that no screen makes of cyan by itself, all else black."""
    white, green, black = (255, 128, 128), (128, 64, 192), (0, 128, 128)
    corners = {(0, 0, 0, 0): white, (1, 0, 0, 0): green}
    straight = bytes(range(256))
    colours = b"".join(bytes(corners.get(inks, black)) for inks in product((0, 1), repeat=4))
    matrix = b"".join(struct.pack(">i", 65536 * (row == column)) for row in range(3) for column in range(3))
    lut = b"mft1\0\0\0\0" + bytes((4, 3, 2, 0)) + matrix + straight * 4 + colours + straight * 3
    return _profile(b"CMYK", b"Lab ", b"prtr", {b"A2B0": lut})


def picture(kind: str, mode: str, colour: Any, size: tuple[int, int] = (40, 30), **how: Any) -> io.BytesIO:
    """A picture of one colour in this format."""
    out = io.BytesIO()
    Image.new(mode, size, colour).save(out, kind, **how)
    return out


def in_srgb(colour: Colour, primaries: Sequence[Triple], gamma: float = 2.2) -> Colour:
    """Worked out without the library that the shop uses: light, XYZ, light of sRGB, and its curve."""
    light = [(value / 255) ** gamma for value in colour]
    xyz = [sum(light[n] * primaries[n][axis] for n in range(3)) for axis in range(3)]
    red, green, blue = (_encoded(value) for value in _solved(SRGB, xyz))
    return red, green, blue


def _encoded(light: float) -> int:
    light = min(1.0, max(0.0, light))
    return round(255 * (12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055))


def _solved(columns: Sequence[Triple], right: Triple) -> list[float]:
    """Cramer's rule for three equations."""
    whole = _determinant(columns)
    return [_determinant([*columns[:n], right, *columns[n + 1 :]]) / whole for n in range(3)]


def _determinant(m: Sequence[Triple]) -> float:
    (a, b, c), (d, e, f), (g, h, i) = m
    return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
