"""Writing CSV that spreadsheet programs open as it is meant: text stays text, and no cell is ever carried out.

Records end with CR LF and cells are quoted where they must be (RFC 4180). ``domain/tabular.py`` reads such files.
"""

import csv
import io
from collections.abc import Iterable
from typing import Final

BYTE_ORDER_MARK: Final = "\N{ZERO WIDTH NO-BREAK SPACE}"
"""Written first, it tells Excel that the file is in UTF-8."""

# A cell that begins so is a formula to some spreadsheet program (OWASP ASVS 5.0, 1.2.10). The last four are the wide
# forms that East Asian keyboards write, which are read alike.
_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\0", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def safe_cell(text: str) -> str:
    """The cell that shows this text: one that a program could take for a formula is preceded by an apostrophe."""
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA_STARTS) else text


def csv_text(rows: Iterable[Iterable[str]]) -> str:
    """The records of these rows, each cell made safe."""
    written = io.StringIO(newline="")
    writer = csv.writer(written, lineterminator="\r\n")
    writer.writerows([safe_cell(cell) for cell in row] for row in rows)
    return written.getvalue()
