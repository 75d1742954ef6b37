"""Whether every word that a certificate must show can be read on the pages that a provider's own template makes.

A template is looked at when it is published, with sample data; this looks at each certificate, before it is issued.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from unicodedata import normalize

from documents.jobs import RenderFailedError
from documents.models import CertificateData, Paper

# In CSS pixels, 96 to an inch.
_PAPERS: Final = {Paper.LETTER: (816.0, 1056.0), Paper.A4: (793.7, 1122.5)}
_TOLERANCE: Final = 1.0
_SMALLEST_LETTERS: Final = 5 * 96 / 72
_SMALLEST_QR_CODE: Final = 0.6 * 96
_PALEST: Final = 0.5
# WCAG 2.2 asks so much of large letters, and as little of none.
_LEAST_CONTRAST: Final = 3.0
_QR_CODE: Final = "picture:qr"
# Some sheets for long words, and one for so many sessions.
_SHEETS: Final = 3
_SESSIONS_PER_SHEET: Final = 3
# Of two lines that touch, each reaches a little into the other; of two in each other's way, half.
_INNER: Final = 0.25
_BOTTOM: Final = 10**9


# What is painted later lies over what is painted before: margin boxes last, positioned boxes after the others.
_Layer = tuple[bool, int, bool, int]
# Red, green and blue from 0 to 1, and how opaque.
_Colour = tuple[float, float, float, float]
_WHITE: Final[_Colour] = (1.0, 1.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class _Ground:
    """A box with a background, or one of its borders: the edges, in CSS pixels; no one colour where it is a picture."""

    left: float
    top: float
    right: float
    bottom: float
    layer: _Layer
    colour: _Colour | None

    def has(self, x: float, y: float) -> bool:
        """Whether the point lies on it."""
        return self.left <= x <= self.right and self.top <= y <= self.bottom


@dataclass(frozen=True, slots=True)
class _Ink:
    """Words or a picture on a page: where, in CSS pixels from its upper left corner, and whether it can be seen."""

    words: str
    left: float
    top: float
    right: float
    bottom: float
    size: float
    is_seen: bool
    layer: _Layer
    colour: _Colour
    address: str = ""

    @property
    def core(self) -> tuple[float, float, float, float]:
        """The rectangle without the edges that may touch others."""
        height = self.bottom - self.top
        return self.left + 1, self.top + _INNER * height, self.right - 1, self.bottom - _INNER * height


def check_layout(document: Any, data: CertificateData, texts: Mapping[str, str]) -> None:
    """Look at the laid out pages (a ``weasyprint.document.Document``) of one certificate.

    ``texts`` is what must be shown, by the name of the field; each on one stretch of the page.

    Raises ``RenderFailedError``, which is final, with ``TooManyPages``, ``PaperDiffers``, ``PageOverflows`` (something
    reaches over the edge), ``WordsOverlap``, ``WordsCovered`` (by a background), ``QrCodeNotReadable``, or what is not
    shown, such as ``LearnerNotShown``: words with hardly any contrast to what is behind them do not count.
    """
    if len(document.pages) > _SHEETS + len(data.sessions) // _SESSIONS_PER_SHEET:
        raise _failure("TooManyPages")
    pages: list[list[_Ink]] = []
    for page in document.pages:
        inks, grounds = _printed(page)
        _check_page(page, inks, data.paper)
        if any(_covers(ground, ink) for ground in grounds for ink in inks):
            raise _failure("WordsCovered")
        pages.append([ink for ink in inks if ink.address or _stands_out(ink, grounds)])
    _check_words(texts, "".join(ink.words for inks in pages for ink in inks if ink.is_seen))
    if not any(_is_readable_code(ink) for inks in pages for ink in inks):
        raise _failure("QrCodeNotReadable")


def _check_page(page: Any, inks: list[_Ink], paper: Paper) -> None:
    expected = sorted(_PAPERS[paper])
    if any(abs(real - wanted) > _TOLERANCE for real, wanted in zip(sorted((page.width, page.height)), expected)):  # noqa: B905 - both are pairs
        raise _failure("PaperDiffers")
    for ink in inks:
        is_inside = ink.left >= -_TOLERANCE and ink.top >= -_TOLERANCE
        if not is_inside or ink.right > page.width + _TOLERANCE or ink.bottom > page.height + _TOLERANCE:
            raise _failure("PageOverflows")
    if _overlap(ink for ink in inks if ink.words.strip() or ink.address):
        raise _failure("WordsOverlap")


def _overlap(inks: Iterable[_Ink]) -> bool:
    """Whether any two are in each other's way: a sweep from top to bottom over those that reach this far down."""
    open_cores: list[tuple[float, float, float, float]] = []
    for core in sorted((ink.core for ink in inks), key=lambda core: core[1]):
        left, top, right, bottom = core
        open_cores = [other for other in open_cores if other[3] > top]
        if any(other[0] < right and left < other[2] for other in open_cores):
            return True
        if right > left and bottom > top:
            open_cores.append(core)
    return False


def _is_readable_code(ink: _Ink) -> bool:
    return (
        ink.address == _QR_CODE
        and ink.is_seen
        and min(ink.right - ink.left, ink.bottom - ink.top) >= _SMALLEST_QR_CODE - _TOLERANCE
    )


def _check_words(texts: Mapping[str, str], shown: str) -> None:
    """Each text is shown as often as it stands in all that must be shown: a name also stands in a statement."""
    letters = _letters(shown)
    wanted = {name: _letters(text) for name, text in texts.items()}
    for name, text in sorted(wanted.items(), key=lambda each: -len(each[1])):
        if text and letters.count(text) < sum(other.count(text) for other in wanted.values()):
            raise _failure(f"{name.title().replace('_', '')}NotShown")


def _letters(text: str) -> str:
    """Letters and digits only: lines, hyphens, capitals and typographic marks are the template's own business."""
    plain = normalize("NFKC", text.replace("\u2122", "")).casefold()
    return "".join(character for character in plain if character.isalnum())


def _covers(ground: _Ground, ink: _Ink) -> bool:
    left, top, right, bottom = ink.core
    is_over = ground.left < right and left < ground.right and ground.top < bottom and top < ground.bottom
    return is_over and ground.layer > ink.layer and bool(ink.words.strip() or ink.address)


def _stands_out(ink: _Ink, grounds: Iterable[_Ground]) -> bool:
    """Whether words differ enough from what is behind their middle; before a picture nobody can say."""
    x, y = (ink.left + ink.right) / 2, (ink.top + ink.bottom) / 2
    behind = _WHITE
    for ground in sorted(grounds, key=lambda ground: ground.layer):
        if ground.layer < ink.layer and ground.has(x, y):
            if ground.colour is None:
                return True
            behind = _over(ground.colour, behind)
    darker, lighter = sorted((_luminance(behind), _luminance(_over(ink.colour, behind))))
    return (lighter + 0.05) / (darker + 0.05) >= _LEAST_CONTRAST


def _over(upper: _Colour, lower: _Colour) -> _Colour:
    red, green, blue = (above * upper[3] + below * (1 - upper[3]) for above, below in zip(upper[:3], lower[:3]))  # noqa: B905 - both are three
    return red, green, blue, 1.0


def _luminance(colour: _Colour) -> float:
    """The relative luminance of WCAG 2.2."""
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4  # noqa: PLR2004 - the definition of sRGB
        for part in colour[:3]
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@dataclass(frozen=True, slots=True)
class _Place:
    """A box in the tree, with what it has from the boxes around it."""

    box: Any
    opacity: float = 1.0
    is_margin: bool = False
    is_positioned: bool = False
    level: int = 0

    def inside(self, box: Any) -> "_Place":
        """The place of a box inside this one."""
        style = box.style
        is_positioned = style["position"] in ("relative", "absolute", "fixed")
        is_outermost = is_positioned and not self.is_positioned and style["z_index"] != "auto"
        return _Place(
            box,
            self.opacity * style["opacity"],
            self.is_margin or type(box).__name__ == "MarginBox",
            self.is_positioned or is_positioned,
            int(style["z_index"]) if is_outermost else self.level,
        )


def _printed(page: Any) -> tuple[list[_Ink], list[_Ground]]:
    """Words and pictures in the order of the text, and the backgrounds that might lie over them."""
    inks: list[_Ink] = []
    grounds = list(_sheet(page))
    waiting = [_Place(page._page_box)]  # noqa: SLF001 - WeasyPrint shows its boxes to nobody
    order = 0
    while waiting:
        place = waiting.pop()
        box, order = place.box, order + 1
        layer = (place.is_margin, place.level, place.is_positioned, order)
        words = getattr(box, "text", None)
        address = box.element.get("src", "") if box.element is not None and box.element_tag == "img" else ""
        if words is not None or (address and hasattr(box, "replacement")):
            inks.append(_ink(place, layer, words or "", address))
        else:
            grounds += _grounds(place, layer)
        waiting += [place.inside(child) for child in reversed(getattr(box, "children", ()))]
    return inks, grounds


def _sheet(page: Any) -> Iterable[_Ground]:
    """What is painted behind everything: the backgrounds of the page, and of ``html`` or ``body``."""
    box = page._page_box  # noqa: SLF001 - see _printed
    for number, background in enumerate((box.background, box.canvas_background)):
        if background is not None:
            is_picture = any(layer.image is not None for layer in background.layers)
            colour = None if is_picture else _rgba(background.color)
            yield _Ground(0, 0, page.width, page.height, (False, -_BOTTOM, False, number), colour)


def _grounds(place: _Place, layer: _Layer) -> Iterable[_Ground]:
    """The background of a box, unless it is the sheet's own, and its borders."""
    box, style = place.box, place.box.style
    left, top = box.border_box_x(), box.border_box_y()
    right, bottom = left + box.border_width(), top + box.border_height()
    is_picture = any(kind != "none" for kind, _ in style["background_image"])
    colour = _colour(style, "background_color", place.opacity)
    if layer[-1] > 1 and (is_picture or colour[3] > 0):
        yield _Ground(left, top, right, bottom, layer, None if is_picture else colour)
    sides = {
        "left": (left, top, left + box.border_left_width, bottom),
        "right": (right - box.border_right_width, top, right, bottom),
        "top": (left, top, right, top + box.border_top_width),
        "bottom": (left, bottom - box.border_bottom_width, right, bottom),
    }
    for side, edges in sides.items():
        is_wide = getattr(box, f"border_{side}_width") >= _SMALLEST_LETTERS
        colour = _colour(style, f"border_{side}_color", place.opacity)
        if is_wide and colour[3] > 0:
            yield _Ground(*edges, layer, colour)


def _colour(style: Any, name: str, opacity: float) -> _Colour:
    value = style["color"] if style[name] == "currentcolor" else style[name]
    red, green, blue, alpha = _rgba(value)
    return red, green, blue, alpha * opacity


def _rgba(colour: Any) -> _Colour:
    red, green, blue = colour.to("srgb").coordinates
    return red, green, blue, colour.alpha


def _ink(place: _Place, layer: _Layer, words: str, address: str) -> _Ink:
    box, style = place.box, place.box.style
    is_pale = place.opacity * style["color"].alpha < _PALEST
    left, top = (box.position_x, box.position_y) if words else (box.content_box_x(), box.content_box_y())
    return _Ink(
        words=words,
        left=left,
        top=top,
        right=left + box.width,
        bottom=top + box.height,
        size=style["font_size"],
        is_seen=style["visibility"] == "visible"
        and not is_pale
        and (style["font_size"] >= _SMALLEST_LETTERS or bool(address)),
        layer=layer,
        colour=_colour(style, "color", place.opacity),
        address=address,
    )


def _failure(code: str) -> RenderFailedError:
    return RenderFailedError(code, is_final=True)
