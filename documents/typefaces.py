"""The bundled typefaces: the only ones a certificate may use, so that it looks the same on every machine."""

from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from unicodedata import category, normalize

from fontTools.ttLib import TTFont  # type: ignore[import-untyped]

FONT_FOLDER = Path(__file__).parent / "fonts"

SHA256 = {
    "SourceSans3-It.ttf.woff2": "4d80b3b801f4c457f1b4adbd3911d8501338e6d282141663770c38d3a2e97859",
    "SourceSans3-Regular.ttf.woff2": "53492fb3a0def77354f166a55d09b63a10855e91c206c7620a81cf56e97f8ec3",
    "SourceSans3-Semibold.ttf.woff2": "47b9b661b9f395fe7f0d0e119637fba5c8dad97bde3df60066fd24229c0792f4",
    "SourceSerif4Display-It.ttf.woff2": "812e188af1a7ae89317e8793bba3ece6895ecc065327fcd32177d555d1818c4d",
    "SourceSerif4Display-Regular.ttf.woff2": "c75301c83bef55b3787f3060c2f62cb5d902a6706419149b7ff9d0c7927055ac",
}
"""The font files, by name. ``templates/certificate/certificate.css`` gives each its family and weight."""

SANS = "SourceSans3-Regular.ttf.woff2"
SERIF = "SourceSerif4Display-Regular.ttf.woff2"

_BREAKS = frozenset(" \n\t")


class FontFileError(Exception):
    """A bundled font file is not the one this version was made with."""


@dataclass(frozen=True, slots=True)
class _Metrics:
    advances: dict[int, int]
    units_per_em: int


def font_bytes(name: str) -> bytes:
    """Return a bundled font file.

    Raises:
        FontFileError: There is no such file, or its bytes are not the expected ones.
    """
    if name not in SHA256:
        raise FontFileError("a style sheet asks for a font that is not bundled")
    content = (FONT_FOLDER / name).read_bytes()
    if sha256(content).hexdigest() != SHA256[name]:
        raise FontFileError(f"{name} differs from the bundled font; reinstall Laurel")
    return content


def missing_glyphs(text: str) -> set[str]:
    """Return the characters that the certificate could not print; empty means that all of the text can be printed.

    Control and invisible formatting characters count as missing; a plain space, a tab and a line break do not.
    """
    printable = _metrics(SANS).advances.keys() | _metrics(SERIF).advances.keys()
    return {
        character
        for character in set(normalize("NFC", text)) - _BREAKS
        if ord(character) not in printable or category(character).startswith("C")
    }


def text_width(text: str, font: str, size: float) -> float:
    """Return the width of the text on one line, in the unit of ``size``; kerning is left out, so it is an estimate."""
    metrics = _metrics(font)
    fallback = metrics.units_per_em
    return sum(metrics.advances.get(ord(character), fallback) for character in text) * size / metrics.units_per_em


@cache
def _metrics(name: str) -> _Metrics:
    with TTFont(BytesIO(font_bytes(name)), lazy=True) as font:
        advances = {code: font["hmtx"][glyph][0] for code, glyph in font.getBestCmap().items()}
        return _Metrics(advances, font["head"].unitsPerEm)
