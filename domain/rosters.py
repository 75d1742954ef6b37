"""Rosters: the lists of who took part that staff load, and the keys by which a learner is found on them."""

import re
import unicodedata
from typing import Final

EMAIL: Final = "email"

# What people add when they copy an id: blanks, dashes of any length, soft hyphens and marks that nobody sees.
_IN_BETWEEN: Final = re.compile(r"[\s\-\u00ad\u200b-\u200f\u2010-\u2015\u2060\u2212\ufeff]+")


def normalize_key(kind: str, value: str) -> str:
    """The form of a key in which a roster and what a learner typed are compared; empty if nothing is left of it.

    Addresses in small letters; everything else in capitals, full-width forms made plain, without blanks and dashes:
    ``ab-1234 x`` is ``AB1234X``. Leading zeros count.
    """
    if kind == EMAIL:
        return value.strip().lower()
    return _IN_BETWEEN.sub("", unicodedata.normalize("NFKC", value)).upper()
