"""Where a page changes its script: which way the words run there, and whose form of a character is meant.

The engine and browsers draw an ideograph as the country of its language does, and put words that run from right to left
into the order of their surroundings, once they are told. A page is told after it was made, whoever wrote its template.
"""

import re
from typing import Final

_RTL: Final = "[\u0590-\u08ff]"
_LATIN: Final = "[A-Za-z\u00c0-\u052f]"
_EAST_ASIAN: Final = "[\u3000-\u9fff\uac00-\ud7a3\uf900-\ufaff\uff01-\uff9f\U00020000-\U0002fa1f]"

_FOREIGN = re.compile(f"{_RTL}|{_EAST_ASIAN}")
_STRONG = re.compile(f"{_RTL}|{_LATIN}|{_EAST_ASIAN}")
_RTL_RUN = re.compile(f"{_RTL}(?:(?:(?!{_LATIN}).)*{_RTL})?", re.DOTALL)
_RTL_SENTENCE = re.compile(f"{_RTL}(?:.*{_RTL})?", re.DOTALL)
_EAST_ASIAN_RUN = re.compile(f"{_EAST_ASIAN}(?:[{_EAST_ASIAN[1:-1]} ]*{_EAST_ASIAN})?")
# What the templates put between texts of different people; no sentence reaches beyond it.
_SEPARATOR = " · "

_KANA = re.compile("[\u3041-\u30ff]")
_HANGUL = re.compile("[\u3131-\u318e\uac00-\ud7a3]")
# A name in ideographs alone belongs where all of it is common, asked in this order.
_COUNTRIES: Final = (("gb2312", "zh-Hans"), ("big5", "zh-Hant"), ("cp932", "ja"), ("euc_kr", "ko"))


def mark_scripts(page: str) -> str:
    """Return the page with the languages of East Asian words, and the direction of those in Arabic or Hebrew.

    The page's tags are well-formed; text inside ``title`` stays as it is. Most pages come back as they went in.
    """
    if not _FOREIGN.search(page):
        return page
    head, body, rest = page.partition("<body")
    parts = re.split("(<[^>]*>)", body + rest)
    return head + "".join(part if part.startswith("<") else _marked(part) for part in parts)


def language_of(text: str) -> str:
    """Return the language whose forms these East Asian words ask for, as a BCP 47 tag; a guess where it is open."""
    if _KANA.search(text):
        return "ja"
    if _HANGUL.search(text):
        return "ko"
    return next((language for charset, language in _COUNTRIES if _is_in(text, charset)), "zh-Hans")


def _is_in(text: str, charset: str) -> bool:
    try:
        text.encode(charset)
    except UnicodeEncodeError:
        return False
    return True


def _marked(text: str) -> str:
    return _SEPARATOR.join(_set(part) for part in text.split(_SEPARATOR)) if _FOREIGN.search(text) else text


def _set(text: str) -> str:
    strong = _STRONG.search(text)
    is_rtl = strong is not None and re.match(_RTL, strong[0]) is not None
    run = _RTL_SENTENCE if is_rtl else _RTL_RUN
    text = run.sub(lambda found: f'<bdi dir="rtl">{found[0]}</bdi>', text)
    return _EAST_ASIAN_RUN.sub(lambda found: f'<span lang="{language_of(found[0])}">{found[0]}</span>', text)
