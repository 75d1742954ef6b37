"""The markup of a provider's own template: which elements and attributes it has, and where values stand in it.

It is read with the parser that reads the page for the PDF, so that the two cannot understand it differently.
"""

import re
from bisect import bisect_right
from dataclasses import dataclass
from typing import ClassVar, Final
from xml.parsers import expat

from documents.template_fields import ATTRIBUTES, PICTURES, SET_WORDS

_FIRST_SLOT: Final = 0xF0000
_SLOT: Final = re.compile("[\U000f0000-\U000fffff]")

# Those that the engine's own style sheet (templates/html.css) knows.
_ELEMENTS: Final = frozenset(
    {
        "html", "head", "meta", "title", "body", "main", "section", "footer", "div", "p", "span", "h1", "h2", "b", "em",
        "br", "table", "thead", "tbody", "tr", "th", "td",
    }
)  # fmt: skip
_WITHOUT_VALUES: Final = frozenset({"html", "head", "meta"})
_CODE: Final = frozenset({"script", "noscript", "template", "iframe", "object", "embed", "form", "input", "button"})
_STYLE: Final = frozenset({"style", "link"})
_PICTURES: Final = frozenset({"img", "svg", "picture", "video", "audio", "canvas", "image", "a", "base"})
_PLAIN_ATTRIBUTES: Final = frozenset({"class", "id", "lang", "dir", "scope", "charset"})
_COUNTS: Final = frozenset({"colspan", "rowspan"})
_COUNT: Final = re.compile(r"[1-9][0-9]?")
_ADDRESSES: Final = frozenset({"src", "srcset", "href", "action", "background", "data", "poster", "cite", "formaction"})


@dataclass(frozen=True, slots=True)
class TemplateProblem:
    """One mistake: in ``html`` or ``css``, on which line (from 1), and in plain words what is wrong there."""

    part: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.part} line {self.line}: {self.message}"


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a value is printed, or where the body of a condition or a loop begins or ends."""

    BEGIN: ClassVar[str] = "{"
    END: ClassVar[str] = "}"

    line: int
    name: str

    @property
    def is_value(self) -> bool:
        """Whether a value is printed here."""
        return self.name not in (self.BEGIN, self.END)


class Flat:
    """A template as one text in which each slot is a single character, and which remembers its lines."""

    def __init__(self) -> None:
        self.slots: list[Slot] = []
        self._parts: list[bytes] = []
        self._starts: list[int] = []
        self._lines: list[int] = []
        self._length = 0

    def add_text(self, text: str, line: int) -> None:
        """Add words of the template itself, which begin on this line."""
        self._add(text, line)

    def add_slot(self, slot: Slot) -> None:
        """Add a slot."""
        self._add(chr(_FIRST_SLOT + len(self.slots)), slot.line)
        self.slots.append(slot)

    def _add(self, text: str, line: int) -> None:
        content = text.encode()
        self._parts.append(content)
        self._starts.append(self._length)
        self._lines.append(line)
        self._length += len(content)

    @property
    def content(self) -> bytes:
        """The whole text."""
        return b"".join(self._parts)

    def line_at(self, position: int) -> int:
        """The line of the template to which a byte of the text belongs."""
        at = max(bisect_right(self._starts, position) - 1, 0)
        if not self._parts:
            return 1
        return self._lines[at] + self._parts[at].count(b"\n", 0, position - self._starts[at])


def markup_problems(flat: Flat) -> tuple[list[TemplateProblem], frozenset[str]]:
    """What is wrong with the markup, and the names of the values that stand in the text of its body."""
    reader = _MarkupReader(flat)
    reader.read()
    return reader.problems, frozenset(reader.printed)


class _MarkupReader:
    """Follows the parser through the elements, and judges each as it begins."""

    def __init__(self, flat: Flat) -> None:
        self.problems: list[TemplateProblem] = []
        self.printed: set[str] = set()
        self._flat = flat
        self._open: list[str] = []
        self._seen: set[str] = set()
        self._serial = 0
        self._serials: list[int] = []
        self._blocks: list[int] = []
        self._title = ""
        self._parser = parser = expat.ParserCreate("utf-8")
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.CommentHandler = self._comment
        parser.StartCdataSectionHandler = lambda: self._report("has a CDATA section; write the text as it is")
        parser.ProcessingInstructionHandler = lambda *_: self._report("has an instruction for a program")
        parser.StartDoctypeDeclHandler = self._doctype
        parser.buffer_text = False

    def read(self) -> None:
        try:
            self._parser.Parse(self._flat.content, True)  # noqa: FBT003 - the parser's signature
        except expat.ExpatError as error:
            words = expat.ErrorString(error.code)
            message = f"is not closed everywhere, as XML must be: {words}; write <br/>, and &#160; in place of &nbsp;"
            self._report(message, self._parser.ErrorByteIndex)
            # What was not reached is not missing: what is printed somewhere counts as printed.
            self.printed |= {slot.name for slot in self._flat.slots}
            return
        for element, message in (("title", "has no <title> with words"), ("body", "has no <body>")):
            if element not in self._seen or (element == "title" and not self._title.strip()):
                self.problems.append(TemplateProblem("html", 1, message))

    def _report(self, message: str, position: int | None = None) -> None:
        at = self._parser.CurrentByteIndex if position is None else position
        self.problems.append(TemplateProblem("html", self._flat.line_at(at), message))

    def _report_slot(self, slot: Slot, message: str) -> None:
        self.problems.append(TemplateProblem("html", slot.line, message))

    def _doctype(self, _name: str, system_id: str | None, public_id: str | None, has_internal_subset: int) -> None:
        if system_id or public_id or has_internal_subset:
            self._report("declares more than <!DOCTYPE html>")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if not self._open and name != "html":
            self._report("begins with something other than <html>")
        if name not in _ELEMENTS:
            self._report(_why_not_element(name))
        if name == "html" and not attributes.get("lang", "").strip():
            self._report('does not say its language; write <html lang="{{ language }}">')
        for attribute, value in attributes.items():
            self._judge_attribute(name, attribute, value)
        self._seen.add(name)
        self._serial += 1
        self._open.append(name)
        self._serials.append(self._serial)

    def _end(self, _name: str) -> None:
        self._open.pop()
        self._serials.pop()

    def _judge_attribute(self, element: str, attribute: str, value: str) -> None:
        if attribute in _COUNTS and not _COUNT.fullmatch(value):
            self._report(f"has a {attribute} that is not from 1 to 99")
        if attribute not in _PLAIN_ATTRIBUTES | _COUNTS or (attribute == "charset" and element != "meta"):
            self._report(_why_not_attribute(attribute))
        for character in _SLOT.findall(value):
            slot = self._flat.slots[ord(character) - _FIRST_SLOT]
            if not slot.is_value:
                self._report_slot(slot, "is a condition or a loop inside a tag; put it around elements")
            elif ATTRIBUTES.get(attribute) != slot.name:
                allowed = ", ".join(f'{name}="{{{{ {each} }}}}"' for name, each in ATTRIBUTES.items())
                self._report_slot(slot, f"prints a value inside a tag, where only {allowed} may stand")

    def _text(self, text: str) -> None:
        place = self._open[-1] if self._open else ""
        if place == "title":
            self._title += text
        for character in _SLOT.findall(text):
            self._judge_slot(self._flat.slots[ord(character) - _FIRST_SLOT], place)

    def _judge_slot(self, slot: Slot, place: str) -> None:
        if slot.name == Slot.BEGIN:
            self._blocks.append(self._serials[-1] if self._serials else 0)
        elif slot.name == Slot.END:
            if self._blocks.pop() != (self._serials[-1] if self._serials else 0):
                self._report_slot(slot, "begins a block that opens or closes elements which it does not close or open")
        elif slot.name in ATTRIBUTES.values():
            self._report_slot(slot, "prints a value that is for attributes only")
        elif place == "title" and slot.name.rpartition(".")[2] in SET_WORDS | PICTURES | {"signature"}:
            self._report_slot(slot, "prints more than plain words in the <title>")
        elif place == "title":
            return
        elif place in _WITHOUT_VALUES or "body" not in self._open:
            self._report_slot(slot, "prints a value outside the <body>")
        elif place not in _ELEMENTS:
            self._report_slot(slot, f"prints a value inside <{place[:20]}>; values stand in the text of plain elements")
        else:
            self.printed.add(slot.name)

    def _comment(self, text: str) -> None:
        for character in _SLOT.findall(text):
            slot = self._flat.slots[ord(character) - _FIRST_SLOT]
            self._report_slot(slot, "prints a value, or has a condition, inside a comment; write comments as {# ... #}")


def _why_not_element(name: str) -> str:
    if name.lower() in _CODE:
        return "has an element that runs code or takes input"
    if name.lower() in _STYLE:
        return "brings style of its own; write it into the style sheet"
    if name.lower() in _PICTURES:
        return "has a picture or a link of its own; {{ logo }}, {{ qr }} and {{ verification_link }} print them"
    return "has an element that is not one of the plain ones, in small letters, which a certificate needs"


def _why_not_attribute(attribute: str) -> str:
    name = attribute.lower()
    if name.startswith("on"):
        return "has an attribute that runs code"
    if name == "style":
        return "brings style of its own; write it into the style sheet"
    if name in _ADDRESSES or ":" in name:
        return "has an attribute that leads elsewhere"
    return f"has an attribute other than {', '.join(sorted(_PLAIN_ATTRIBUTES | _COUNTS))}"
