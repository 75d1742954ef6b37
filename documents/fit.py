"""The type sizes at which a certificate's words keep to their room, found before the page is laid out."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from documents.models import CertificateData
from documents.typefaces import SANS, SERIF, clusters, text_width, typefaces_for

# Widths in points, for the narrower paper's text column.
_COLUMN = 610.0
_VERIFICATION_COLUMN = 168.0
_ADDRESS_SIZE = 8.0

# Each size as in certificate.css, largest first, with the number of lines that it may take; the last takes any number.
_LEARNER_SIZES: Final = ((40.0, 1), (33.0, 1), (27.0, 1), (21.0, 2), (16.0, 10_000))
_TITLE_SIZES: Final = ((20.0, 2), (16.5, 2), (13.5, 2), (11.0, 10_000))
_TALL: Final = 1.55  # the line height of scripts with marks above and below
_NOTE_SIZES: Final = ((8.5, 5), (7.5, 5), (6.6, 10_000))
# How much white space, most first, with the points that it leaves for what differs between certificates; see _height.
_AIR: Final = (("airy", 158), ("", 181), ("snug", 219))
_LAST_AIR: Final = ("tight", "tight flowing")

# Where a line may end: after a space or a hyphen, and beside an ideograph or kana.
_EAST_ASIAN = "\u3000-\u30ff\u3400-\u9fff\uf900-\ufaff\uff01-\uff9f\U00020000-\U0002fa1f"
_WORD = re.compile(rf"\s*(?:[^\s{_EAST_ASIAN}-]*-+(?=\S)|[^\s{_EAST_ASIAN}]+|[{_EAST_ASIAN}])")


_Piece = tuple[str, float]  # between two places where a line may end, and its width in ems


@dataclass(frozen=True, slots=True)
class Fit:
    """The type sizes that suit the words, as CSS classes, and the words of the large lines, evenly broken.

    ``address_lines`` is the verification address; it is broken after a slash only, so that the code stays in one piece.
    """

    classes: str
    learner_lines: list[str]
    title_lines: list[str]
    address_lines: list[str]


def fits(data: CertificateData) -> Iterator[Fit]:
    """Choose the largest sizes at which the name, the title and the statements keep to their room.

    The first fit has as much air as there seems to be room for, each further one less; the last lets the sheet grow.
    """
    learner, learner_lines = _set(data.learner, _LEARNER_SIZES)
    title, title_lines = _set(data.ce_activity_title, _TITLE_SIZES)
    note = _size(f"{data.accreditation_statement} {data.designation_statement}", _NOTE_SIZES)
    is_tall_name, is_tall_title = _is_tall(data.learner), _is_tall(data.ce_activity_title)
    tall = " tall-name" * is_tall_name + " tall-title" * is_tall_title
    classes = f"learner-{learner} title-{title} notes-{note} signatories-{len(data.signatories)}{tall}"
    address_lines = _address_lines(data.verification_url)
    height = (
        len(learner_lines) * _LEARNER_SIZES[learner - 1][0] * (_TALL if is_tall_name else 1.18)
        + len(title_lines) * _TITLE_SIZES[title - 1][0] * (_TALL if is_tall_title else 1.24)
        + _statements_height(data, _NOTE_SIZES[note - 1][0])
        + _other_height(data)
    )
    for air in (*(air for air, room in _AIR if height <= room), *_LAST_AIR):
        yield Fit(f"{classes} {air}".rstrip(), learner_lines, title_lines, address_lines)


def _is_tall(text: str) -> bool:
    return any(typeface.is_tall for typeface in typefaces_for(text))


def _statements_height(data: CertificateData, size: float) -> float:
    """About how high the higher of the two columns is, in points, or the one statement across both."""
    statements = [each for each in (data.accreditation_statement, data.designation_statement) if each]
    room = _COLUMN / max(1, len(statements)) / 1.08
    lines = max((-(-text_width(each, SANS, size) // room) for each in statements), default=0)
    return lines * size * 1.38


def _other_height(data: CertificateData) -> float:
    """How high the lines are, in points, that not every certificate has."""
    has_contact = bool(data.provider.address or data.provider.website)
    is_two_lines = not data.credit.names_its_unit
    parts = ((data.provider.logo, 56), (data.identifiers, 15), (has_contact, 14), (is_two_lines, 15))
    return sum(height for has_part, height in parts if has_part)


def _set(text: str, sizes: tuple[tuple[float, int], ...]) -> tuple[int, list[str]]:
    """Return the number of the first size at which the text takes no more lines than allowed, and the lines."""
    words = _measured(_WORD.findall(text))
    settings = (
        (number, _even_lines(words, _COLUMN / size), allowed) for number, (size, allowed) in enumerate(sizes, 1)
    )
    return next((number, lines) for number, lines, allowed in settings if len(lines) <= allowed)


def _size(text: str, sizes: tuple[tuple[float, int], ...]) -> int:
    """Return the number of the first size that fits the lines, or the last; a broken line wastes about a twelfth."""
    room = ((number, lines * _COLUMN / 1.08 / size) for number, (size, lines) in enumerate(sizes, 1))
    ems = text_width(text, SANS, 1)
    return next((number for number, width in room if ems <= width), len(sizes))


def _even_lines(words: list[_Piece], column: float) -> list[str]:
    """Break the words into as few lines as fit, as even as they allow, so that no word is left alone on the last.

    ``column`` is its width in ems. A word that no line can hold ends wherever it must.
    """
    pieces = [piece for word in words for piece in ([word] if word[1] <= column else _measured(clusters(word[0])))]
    fewest = _lines(pieces, column)
    if len(fewest) == 1:
        return fewest
    narrower = (_lines(pieces, column * percent / 100) for percent in range(50, 100, 5))
    return next((lines for lines in narrower if len(lines) == len(fewest)), fewest)


def _measured(pieces: Iterable[str]) -> list[_Piece]:
    return [(piece, text_width(piece, SERIF, 1)) for piece in pieces]


def _lines(pieces: list[_Piece], room: float) -> list[str]:
    lines: list[str] = []
    width = 0.0
    for piece, ems in pieces:
        if lines and width + ems <= room:
            lines[-1] += piece
            width += ems
        else:
            lines.append(piece.lstrip())
            width = ems
    return lines


def _address_lines(url: str) -> list[str]:
    lines: list[str] = []
    for part in re.findall(r"[^/]*/?", short_url(url)):
        if lines and text_width(lines[-1] + part, SANS, _ADDRESS_SIZE) <= _VERIFICATION_COLUMN:
            lines[-1] += part
        elif part:
            lines.append(part)
    return lines


def short_url(url: str) -> str:
    """Return a web address as people write it."""
    return url.removeprefix("https://").removeprefix("http://")
