"""The bundled typefaces: the only ones a document may use, so that it looks the same on every machine."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Final
from unicodedata import category, normalize

from fontTools.ttLib import TTFont  # type: ignore[import-untyped]

FONT_FOLDER = Path(__file__).parent / "fonts"

SANS = "SourceSans3-Regular.ttf.woff2"
SERIF = "SourceSerif4Display-Regular.ttf.woff2"

_BREAKS = frozenset(" \n\t")
_JOINERS = frozenset("\u200c\u200d")
# Ideographs stand in two files, of which the first has all that is common in one of four countries.
_IDEOGRAPHS = ((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x2FA1F))


class FontFileError(Exception):
    """A bundled font file is not the one this version was made with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Typeface:
    """One font file, with the family that style sheets know it by.

    ``blocks`` are the ranges of characters that it may be needed for, both ends inclusive; the typefaces without any
    are needed always. ``joins`` where letters change with their neighbours, and joiners say how; ``is_tall`` where
    marks reach far above and below the letters.
    """

    file: str
    sha256: str
    family: str
    style: str = "normal"
    weight: int = 400
    blocks: tuple[tuple[int, int], ...] = ()
    joins: bool = False
    is_tall: bool = False

    def rule(self, prefix: str) -> str:
        """Return the CSS rule that brings the file, from below an address such as ``/static/fonts``."""
        return (
            f'@font-face {{ font-family: "{self.family}"; font-style: {self.style}; font-weight: {self.weight};'
            f' src: url("{prefix.rstrip("/")}/{self.file}"); }}\n'
        )


LATIN_GREEK_CYRILLIC: Final = (
    Typeface(
        file="SourceSans3-Regular.ttf.woff2",
        sha256="da1f344b77ef0b3139ab41c43a6cfdb32ff9e5a1b333e4e053a672d39681df64",
        family="Source Sans",
    ),
    Typeface(
        file="SourceSans3-It.ttf.woff2",
        sha256="2a9d61290b8b57c294443f2441369e71cbf5a8b37c5aca9cc4d81117199b980a",
        family="Source Sans",
        style="italic",
    ),
    Typeface(
        file="SourceSans3-Semibold.ttf.woff2",
        sha256="7e375b1ed4f5adbe6cc0ea0932fc86275a510ceebfd6cefd37d082e07dd0dd0b",
        family="Source Sans",
        weight=600,
    ),
    Typeface(
        file="SourceSerif4Display-Regular.ttf.woff2",
        sha256="7c89cbe6c8234394a3977068d78ffe143deaf908667d72a26973893b842e3ad4",
        family="Source Serif Display",
    ),
    Typeface(
        file="SourceSerif4Display-It.ttf.woff2",
        sha256="0651a6a3de8ebc0962650cbdab38dc863ac5efaa8d912a565e09e9c632cc52ac",
        family="Source Serif Display",
        style="italic",
    ),
)
OTHER_SCRIPTS: Final = (
    Typeface(
        file="NotoNaskhArabic-Regular.ttf.woff2",
        sha256="1cb8af38262a62479245e89d61b7d8195843ff92fe0f4a88dda10b6b35ce7882",
        family="Noto Naskh Arabic",
        blocks=((0x600, 0x6FF), (0x750, 0x77F), (0x8A0, 0x8FF)),
        joins=True,
        is_tall=True,
    ),
    Typeface(
        file="NotoSerifHebrew-Regular.ttf.woff2",
        sha256="82a5bb06eb767c4508514181802b65b49fa3e3ecaa415c03099f4a2aa4e50c21",
        family="Noto Serif Hebrew",
        blocks=((0x591, 0x5F4),),
    ),
    Typeface(
        file="NotoSerifDevanagari-Regular.ttf.woff2",
        sha256="2fb9ef004a1d0a5c6121a11ac7b63e3d9edb70dc7a622a8d59ceafc97d0d327d",
        family="Noto Serif Devanagari",
        blocks=((0x900, 0x97F), (0xA8E0, 0xA8FF)),
        joins=True,
        is_tall=True,
    ),
    Typeface(
        file="NotoSerifThai-Regular.ttf.woff2",
        sha256="d3e1a754bd1beb3ce93a1e27208b791e7059d30395dea94f8a895a50b9394e75",
        family="Noto Serif Thai",
        blocks=((0xE01, 0xE5B),),
        is_tall=True,
    ),
    Typeface(
        file="NotoSerifCJK-Common.ttf.woff2",
        sha256="5e775627d87770123ec21ec382014f12fb6c24be5967ac77f63de40e0b29dfcc",
        family="Noto Serif CJK",
        blocks=((0x3000, 0x3130), (0x31F0, 0x31FF), (0xFF01, 0xFF9F), *_IDEOGRAPHS),
    ),
    Typeface(
        file="NotoSerifCJK-Rare.ttf.woff2",
        sha256="69321cbc65b51640c92677461c4d795beebe7bc6bedc44e4f62dd71b28713725",
        family="Noto Serif CJK Rare",
        blocks=_IDEOGRAPHS,
    ),
    Typeface(
        file="NotoSerifCJK-Hangul.ttf.woff2",
        sha256="aa51ee6cff9d1077d3a628c2484c7c568fcb0b325a8d2850b269c6c3a45f229c",
        family="Noto Serif Hangul",
        blocks=((0x3131, 0x318E), (0xAC00, 0xD7A3)),
    ),
)
TYPEFACES: Final = (*LATIN_GREEK_CYRILLIC, *OTHER_SCRIPTS)

SHA256 = {typeface.file: typeface.sha256 for typeface in TYPEFACES}
"""The font files, by name."""


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


def font_rules(typefaces: Iterable[Typeface], prefix: str) -> str:
    """Return the CSS rules that bring these typefaces, and the two lists of families that style sheets choose from.

    ``var(--sans)`` and ``var(--serif)`` name every family, so that each character finds the typeface that has it.
    """
    others = ", ".join(f'"{typeface.family}"' for typeface in OTHER_SCRIPTS)
    sans, serif = '"Source Sans"', '"Source Serif Display"'
    lists = f":root {{ --sans: {sans}, {serif}, {others}; --serif: {serif}, {sans}, {others}; }}\n"
    return "".join(typeface.rule(prefix) for typeface in typefaces) + lists


def typefaces_for(text: str) -> tuple[Typeface, ...]:
    """Return the typefaces for other scripts that this text needs."""
    faces = {_typeface(character, SANS) for character in set(text)}
    return tuple(typeface for typeface in OTHER_SCRIPTS if typeface in faces)


def missing_glyphs(text: str) -> set[str]:
    """Return what no typeface can print, each with its marks; empty means that all of the text can be printed.

    A letter and its marks must stand in one typeface, in the large type as in the small, because marks of another would
    not find their place. Joiners are fine where a script has use for them. Other invisible characters and controls
    count as missing; a plain space, a tab and a line break do not.
    """
    return {cluster for cluster in set(clusters(normalize("NFC", text))) - _BREAKS if not _is_printable(cluster)}


def text_width(text: str, font: str, size: float) -> float:
    """Return the width of the text on one line, in the unit of ``size``.

    ``font``, ``SANS`` or ``SERIF``, is asked first. Kerning, ligatures and joined forms are left out: all of them make
    text narrower, so that this is a little too much rather than too little.
    """
    return sum(_advance(character, font) for character in text) * size


def clusters(text: str) -> Iterator[str]:
    """Split a text into letters with the marks and joiners that belong to them."""
    cluster = ""
    for character in text:
        if cluster and cluster not in _BREAKS and (character in _JOINERS or category(character)[0] == "M"):
            cluster += character
        else:
            if cluster:
                yield cluster
            cluster = character
    if cluster:
        yield cluster


def _is_printable(cluster: str) -> bool:
    if category(cluster[0])[0] in "CM":
        return False
    for first in (SANS, SERIF):
        typefaces = {_typeface(character, first) for character in cluster if character not in _JOINERS}
        typeface = typefaces.pop()
        if typefaces or typeface is None or (not typeface.joins and _JOINERS & set(cluster)):
            return False
    return True


@cache
def _typeface(character: str, first: str) -> Typeface | None:
    """The typeface that a character is set in where the style sheet names this one first; None if there is none."""
    code = ord(character)
    for typeface in sorted(LATIN_GREEK_CYRILLIC, key=lambda each: each.file != first):
        if typeface.file in (SANS, SERIF) and code in _metrics(typeface.file).advances:
            return typeface
    for typeface in OTHER_SCRIPTS:
        if any(start <= code <= end for start, end in typeface.blocks) and code in _metrics(typeface.file).advances:
            return typeface
    return None


@cache
def _advance(character: str, first: str) -> float:
    """The width of a character in ems; marks take no room, and what is missing takes a whole em."""
    if category(character) in ("Mn", "Me", "Cf"):
        return 0.0
    typeface = _typeface(character, first)
    if typeface is None:
        return 1.0
    metrics = _metrics(typeface.file)
    return metrics.advances[ord(character)] / metrics.units_per_em


@cache
def _metrics(name: str) -> _Metrics:
    with TTFont(BytesIO(font_bytes(name)), lazy=True) as font:
        advances = {code: font["hmtx"][glyph][0] for code, glyph in font.getBestCmap().items()}
        return _Metrics(advances, font["head"].unitsPerEm)
