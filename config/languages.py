"""The languages that people read: which one a request or an e-mail is in, and the words of it.

Sentences are written in English where they are used, as ``gettext("…")``; ``locales/<language>/LC_MESSAGES/laurel.po``
holds what they are called elsewhere. A sentence without a translation stays English. Codes are never translated.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path
from typing import Final

from babel.core import negotiate_locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

LOCALES: Final = Path(__file__).parent / "locales"
DOMAIN: Final = "laurel"
ENGLISH: Final = "en"
PSEUDO: Final = "en-XA"
"""A language nobody speaks: every sentence in it is written ⟦ŵîţĥ åççéñţš⟧, so that one that was forgotten shows."""

LANGUAGES: Final = {ENGLISH: "English", "es": "Español"}
"""By language tag: what its speakers call the language."""

_current: ContextVar[str] = ContextVar("language", default=ENGLISH)


def current_language() -> str:
    """The language of what is written at present."""
    return _current.get()


def set_language(language: str) -> None:
    """Write in this language from here on, within the present request or task; unknown ones are English."""
    _current.set(_known(language))


@contextmanager
def written_in(language: str | None) -> Iterator[None]:
    """Write in this language within the block."""
    before = _current.set(_known(language))
    try:
        yield
    finally:
        _current.reset(before)


def _known(language: str | None) -> str:
    return language if language in LANGUAGES or language == PSEUDO else ENGLISH


def locale_of(language: str) -> str:
    """The locale whose dates and numbers are written in a language."""
    return language if language in LANGUAGES else ENGLISH


def gettext(message: str) -> str:
    """This sentence in the present language."""
    return translations(_current.get()).gettext(message) if message else ""


def ngettext(one: str, many: str, count: int) -> str:
    """This sentence about ``count`` things, in the present language."""
    return translations(_current.get()).ngettext(one, many, count)


def pgettext(context: str, message: str) -> str:
    """This word in the present language, as it is used in a context."""
    return translations(_current.get()).pgettext(context, message)


def marked(message: str) -> str:
    """Mark a constant's sentence as one to translate; it is translated where it is shown."""
    return message


def preferred_language(accept_language: str) -> str:
    """The language that a browser asks for most, among ours."""
    asked = []
    for part in accept_language[:500].split(","):
        tag, _, quality = part.strip().partition(";q=")
        try:
            asked.append((-float(quality or 1), tag.strip().replace("-", "_")))
        except ValueError:
            continue
    return negotiate_locale([tag for _, tag in sorted(asked, key=lambda each: each[0])], list(LANGUAGES)) or ENGLISH


_ACCENTED: Final = str.maketrans("aceginosuyACEGINOSUY", "åçéĝîñöšüýÅÇÉĜÎÑÖŠÜÝ")
_KEPT: Final = re.compile(r"(%\(\w+\)s|{\w+}|<[^>]+>|&\w+;)")


class _PseudoTranslations(NullTranslations):
    """Says every sentence with accents and in brackets; what it is filled in with stays."""

    def gettext(self, message: str) -> str:
        parts = _KEPT.split(message)
        written = (part if number % 2 else part.translate(_ACCENTED) for number, part in enumerate(parts))
        return f"⟦{''.join(written)}⟧"

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return self.gettext(msgid1 if n == 1 else msgid2)

    def pgettext(self, context: str, message: str) -> str:  # noqa: ARG002  # as gettext declares it
        return self.gettext(message)


@cache
def translations(language: str) -> NullTranslations:
    """What sentences are called in a language, read once per process."""
    if language == PSEUDO:
        return _PseudoTranslations()
    path = LOCALES / language / "LC_MESSAGES" / f"{DOMAIN}.po"
    if not path.is_file():
        return NullTranslations()
    compiled = BytesIO()
    with path.open("rb") as file:
        write_mo(compiled, read_po(file, locale=language))
    compiled.seek(0)
    return GNUTranslations(compiled)
