"""What people may write: personal names, free text and e-mail addresses.

Names of the whole world are welcome; what cannot be seen, or changes how its neighbours are read, is not. Errors are
codes, such as ``name_characters``, and never repeat the input.
"""

import re
import unicodedata

MAXIMUM_NAME_LENGTH = 200
MAXIMUM_MARKS = 4
MAXIMUM_ADDRESS_LENGTH = 254

# Normalizing takes time that grows with the square of a run of marks, so no name longer than this is looked at.
_MAXIMUM_RAW_NAME_LENGTH = MAXIMUM_NAME_LENGTH * (1 + MAXIMUM_MARKS)

_JOINERS = "\u200c\u200d"
# These reorder the text around them, so that a reader sees something else than what is stored.
_BIDI_CONTROLS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# Unicode calls these letters, symbols and marks, yet they show nothing.
_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
_VIRAMA = 9

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"(?P<local>{_ATOM}(?:\.{_ATOM})*)@(?P<domain>{_LABEL}(?:\.{_LABEL})+)")


def clean_name(text: str) -> str:
    """A personal name as it is stored: NFC, single spaces, none at the ends.

    Raises ``ValueError`` with ``name_empty``, ``name_too_long`` (200 characters as a reader counts them),
    ``name_marks`` (more than four on one character) or ``name_characters`` (controls, bidirectional controls, a
    leading mark, the invisible, the unassigned; joiners stay allowed where scripts and emoji need them).
    """
    if len(text) > _MAXIMUM_RAW_NAME_LENGTH:
        raise ValueError("name_too_long")
    name = unicodedata.normalize("NFC", text)
    if any(not _is_writable(character) for character in name):
        raise ValueError("name_characters")
    name = " ".join(name.split())
    if any(name[at] in _JOINERS and not _joins(name, at) for at in range(len(name))):
        raise ValueError("name_characters")
    if not name:
        raise ValueError("name_empty")
    if _is_mark(name[0]):
        raise ValueError("name_characters")
    clusters = _marks_per_character(name)
    if len(clusters) > MAXIMUM_NAME_LENGTH:
        raise ValueError("name_too_long")
    if max(clusters) > MAXIMUM_MARKS:
        raise ValueError("name_marks")
    return name


def clean_text(text: str, limit: int) -> str:
    """Free text as it is stored: NFC, lines ended by a line feed, nothing blank at the ends, possibly empty.

    Raises ``ValueError`` with ``text_too_long`` (more than ``limit`` characters) or ``text_characters`` (controls other
    than tab and line end, bidirectional controls, lone surrogates and code points that are no characters).
    """
    # Normalizing a long run of marks is slow; NFC and the end of lines make nothing shorter than a quarter.
    if len(text) > 4 * limit:
        raise ValueError("text_too_long")
    cleaned = unicodedata.normalize("NFC", text).replace("\r\n", "\n").replace("\r", "\n").strip()
    if any(not _is_printable(character) for character in cleaned):
        raise ValueError("text_characters")
    if len(cleaned) > limit:
        raise ValueError("text_too_long")
    return cleaned


def email_address(text: str) -> str:
    """One plain e-mail address, its domain in lower case.

    Raises ``ValueError`` with ``email_too_long`` (254 characters, 64 before the @) or ``email_format``: display names,
    several addresses, quoted forms and letters outside ASCII are not accepted.
    """
    address = text.strip(" ")
    if len(address) > MAXIMUM_ADDRESS_LENGTH:
        raise ValueError("email_too_long")
    match = _ADDRESS.fullmatch(address)
    if match is None:
        raise ValueError("email_format")
    if len(match["local"]) > 64:  # noqa: PLR2004 -- RFC 5321, section 4.5.3.1.1
        raise ValueError("email_too_long")
    return f"{match['local']}@{match['domain'].lower()}"


def _is_writable(character: str) -> bool:
    if character in _JOINERS:
        return True
    # Cc, Cf, Cn, Co and Cs begin with C: controls, formats, unassigned, private, surrogates. Zl and Zp end lines.
    category = unicodedata.category(character)
    return category[0] != "C" and category not in ("Zl", "Zp") and character not in _INVISIBLE


def _is_printable(character: str) -> bool:
    if character in "\n\t":
        return True
    point = ord(character)
    is_noncharacter = point & 0xFFFE == 0xFFFE or 0xFDD0 <= point <= 0xFDEF  # noqa: PLR2004 -- Unicode, section 23.7
    is_control = unicodedata.category(character) in ("Cc", "Cs") or character in _BIDI_CONTROLS
    return not is_noncharacter and not is_control


def _is_mark(character: str) -> bool:
    return unicodedata.category(character)[0] == "M" or character in _JOINERS


def _joins(name: str, at: int) -> bool:
    """Whether a joiner stands between two letters or two emoji, or ends a word after a virama (as Malayalam may)."""
    before, after = name[at - 1 : at], name[at + 1 : at + 2]
    if not before:
        return False
    if not after or after == " ":
        return unicodedata.combining(before) == _VIRAMA
    return unicodedata.category(before)[0] in "LMS" and unicodedata.category(after)[0] in "LS"


def _marks_per_character(name: str) -> list[int]:
    """How many combining marks follow each character that a reader counts; the name does not start with one."""
    counts: list[int] = []
    for character in name:
        if not _is_mark(character):
            counts.append(0)
        elif character not in _JOINERS:
            counts[-1] += 1
    return counts
