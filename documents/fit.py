"""The type sizes at which a certificate's words keep to their room, found before the page is laid out."""

import re
from dataclasses import dataclass

from documents.models import CertificateData
from documents.typefaces import SANS, SERIF, text_width

# Widths in points, for the narrower paper's text column; sizes as in certificate.css, largest first.
_COLUMN = 610.0
_LEARNER_SIZES = (40.0, 33.0, 27.0, 21.0)
_TITLE_SIZES = (20.0, 16.5, 13.5, 11.0)
_NOTE_SIZES = (8.5, 7.5, 6.6)


@dataclass(frozen=True, slots=True)
class Fit:
    """The type sizes that suit the words, as CSS classes, and the words of the two large lines, evenly broken."""

    classes: str
    learner_lines: list[str]
    title_lines: list[str]


def fit(data: CertificateData, air: str = "") -> Fit:
    """Choose the largest sizes at which the name, the title and the statements keep to their room."""
    notes = f"{data.accreditation_statement} {data.designation_statement}"
    learner = _size(data.learner, SERIF, _LEARNER_SIZES, lines=1)
    title = _size(data.ce_activity_title, SERIF, _TITLE_SIZES, lines=2)
    note = _size(notes, SANS, _NOTE_SIZES, lines=5)
    classes = f"learner-{learner} title-{title} notes-{note} signatories-{len(data.signatories)}"
    return Fit(
        classes=f"{classes} {air}".rstrip(),
        learner_lines=_even_lines(data.learner, _LEARNER_SIZES[learner - 1]),
        title_lines=_even_lines(data.ce_activity_title, _TITLE_SIZES[title - 1]),
    )


def _size(text: str, font: str, sizes: tuple[float, ...], *, lines: int) -> int:
    """Return the number of the first size that fits the lines, or the last; a broken line wastes about a twelfth."""
    room = _COLUMN if lines == 1 else _COLUMN * lines / 1.08
    fitting = (number for number, size in enumerate(sizes, 1) if text_width(text, font, size) <= room)
    return next(fitting, len(sizes))


def _even_lines(text: str, size: float) -> list[str]:
    """Break the text into as few lines as fit, as even as words allow, so that no word is left alone on the last."""
    fewest = _lines(text, size, _COLUMN)
    narrower = (_lines(text, size, _COLUMN * percent / 100) for percent in range(50, 100, 5))
    return next((lines for lines in narrower if len(lines) == len(fewest)), fewest)


def _lines(text: str, size: float, room: float) -> list[str]:
    lines: list[str] = []
    for part in re.findall(r"\s*(?:[^\s-]*-+(?=\S)|\S+)", text):
        if lines and text_width(lines[-1] + part, SERIF, size) <= room:
            lines[-1] += part
        else:
            lines.append(part.lstrip())
    return lines
