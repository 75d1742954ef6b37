"""What keeps a provider's own template from being published: everything that is wrong with it, found without rendering.

A template is small on purpose: HTML that is closed everywhere, values that are printed as they are, conditions, and
loops over lists. What it cannot say can neither harm the renderer nor let a learner's name do so.
"""

import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Final

from jinja2 import Environment, TemplateSyntaxError, nodes

from documents.template_fields import (
    ATTRIBUTES,
    DEMANDED,
    DEMANDED_OF_LISTS,
    LISTS,
    PICTURES,
    SET_WORDS,
    SIGNALS,
    WORDS,
)
from documents.template_markup import Flat, Slot, TemplateProblem, markup_problems
from documents.template_style import style_problems
from documents.typefaces import missing_glyphs

__all__ = ["MAXIMUM_LENGTH", "TemplateProblem", "template_problems"]

MAXIMUM_LENGTH: Final = 40_000
"""Characters of HTML, and as many of CSS."""

_MAXIMUM_PROBLEMS: Final = 100
_FIELDS: Final = WORDS | SET_WORDS | PICTURES
_OF_LOOP: Final = frozenset({"first", "last"})
# R-AMA-5; the credit's name comes from the credit type, set as its owner asks for it.
_BARE_NAMES: Final = re.compile(r"ACCME\s+credit|category\s+1\b", re.IGNORECASE)
# Slots are characters of plane 15, which have no meaning of their own: here they would be taken for slots.
_UNPRINTED: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ue000-\uf8ff\ufffe\uffff\U000f0000-\U0010ffff]")


def template_problems(html: str, css: str) -> list[TemplateProblem]:
    """Everything that is wrong with a template, in the order of its lines, HTML before CSS; at most 100 problems."""
    problems = [*_character_problems("html", html), *_character_problems("css", css)]
    if not problems:
        problems = [*_Reader(html).problems(), *style_problems(css)]
    ordered = sorted(dict.fromkeys(problems), key=lambda problem: (problem.part != "html", problem.line))
    return ordered[:_MAXIMUM_PROBLEMS]


def _character_problems(part: str, text: str) -> Iterator[TemplateProblem]:
    if len(text) > MAXIMUM_LENGTH:
        yield TemplateProblem(part, 1, f"is longer than {MAXIMUM_LENGTH} characters")
        return
    for number, line in enumerate(text.split("\n"), 1):
        if _UNPRINTED.search(line):
            yield TemplateProblem(part, number, "holds a character that is not printed")
        elif missing := missing_glyphs(line):
            named = ", ".join(f"U+{ord(each):04X}" for each in sorted(missing)[:5])
            yield TemplateProblem(part, number, f"holds characters that no bundled typeface has: {named}")


class _Reader:
    """Walks the syntax tree of a template, and writes it down flat for ``documents.template_markup``."""

    def __init__(self, html: str) -> None:
        self._html = html
        self._flat = Flat()
        self._problems: list[TemplateProblem] = []
        self._loops: dict[str, str] = {}

    def problems(self) -> list[TemplateProblem]:
        try:
            # Parsed only; nothing is compiled, so nothing is calculated either.
            tree = Environment(autoescape=True).parse(self._html)
        except TemplateSyntaxError as error:
            return [TemplateProblem("html", error.lineno, f"cannot be read as a Jinja template: {error.message}")]
        except (RecursionError, ValueError, OverflowError):
            return [TemplateProblem("html", 1, "cannot be read as a Jinja template")]
        try:
            self._read(tree.body)
            found, printed = markup_problems(self._flat)
        except RecursionError:
            return [TemplateProblem("html", 1, "is nested too deep")]
        return [*self._problems, *found, *_missing(printed)]

    def _report(self, node: nodes.Node, message: str) -> None:
        self._problems.append(TemplateProblem("html", node.lineno, message))

    def _read(self, body: Iterable[nodes.Node]) -> None:
        for node in body:
            if isinstance(node, nodes.Output):
                for each in node.nodes:
                    self._read_output(each)
            elif isinstance(node, nodes.If):
                self._read_condition(node)
            elif isinstance(node, nodes.For):
                self._read_loop(node)
            else:
                self._report(node, "uses a statement other than if and for, which is all that a certificate needs")

    def _read_output(self, node: nodes.Expr) -> None:
        if isinstance(node, nodes.TemplateData):
            self._flat.add_text(node.data, node.lineno)
            for found in _BARE_NAMES.finditer(node.data):
                line = node.lineno + node.data.count("\n", 0, found.start())
                message = "names a credit by itself; {{ credit }} prints the name as its owner asks for it"
                self._problems.append(TemplateProblem("html", line, message))
        elif (name := self._value(node)) is not None:
            self._flat.add_slot(Slot(node.lineno, name))

    def _value(self, node: nodes.Node, more: frozenset[str] = frozenset()) -> str | None:
        """The name of a value that may be printed, such as ``learner`` or ``signatories.name``; else None, reported."""
        if isinstance(node, nodes.Name):
            if node.name in _FIELDS | more | set(ATTRIBUTES.values()):
                return node.name
            self._report(node, f"names no value of a certificate{_meant(node.name, _FIELDS)}")
        elif isinstance(node, nodes.Getattr) and isinstance(node.node, nodes.Name):
            source = self._loops.get(node.node.name)
            if source and node.attr in LISTS[source]:
                return f"{source}.{node.attr}"
            known = LISTS.get(source or "", frozenset())
            self._report(node, f"names no value of a list that is looped over here{_meant(node.attr, known)}")
        elif "safe" in {each.name for each in (node, *node.find_all(nodes.Filter)) if isinstance(each, nodes.Filter)}:
            self._report(node, "trusts a value with the filter safe, so that a name could bring its own markup")
        else:
            self._report(node, "uses something other than a value as it is: no filters, calls or calculations")
        return None

    def _read_condition(self, node: nodes.If) -> None:
        self._read_test(node.test)
        self._read_block(node, node.body)
        for each in node.elif_:
            self._read_test(each.test)
            self._read_block(each, each.body)
        self._read_block(node, node.else_)

    def _read_test(self, node: nodes.Node) -> None:
        if isinstance(node, nodes.Not | nodes.And | nodes.Or):
            for each in node.iter_child_nodes():
                self._read_test(each)
        elif isinstance(node, nodes.Compare):
            self._read_test(node.expr)
            for operand in node.ops:
                if operand.op not in ("eq", "ne") or not isinstance(operand.expr, nodes.Const):
                    self._report(node, "compares with something other than a plain text, or not by == or !=")
        elif isinstance(node, nodes.Getattr) and isinstance(node.node, nodes.Name) and node.node.name == "loop":
            if node.attr not in _OF_LOOP or not self._loops:
                self._report(node, "asks a loop for something other than loop.first and loop.last")
        else:
            self._value(node, SIGNALS | set(LISTS))

    def _read_loop(self, node: nodes.For) -> None:
        if self._loops:
            self._report(node, "is a loop inside a loop")
        elif not isinstance(node.iter, nodes.Name) or node.iter.name not in LISTS:
            self._report(node, f"loops over something other than {', '.join(LISTS)}")
        elif not isinstance(node.target, nodes.Name) or node.target.name in _FIELDS | {"loop", *LISTS}:
            self._report(node, "gives the entries of its list more than one name, or one that is taken")
        elif node.test is not None or node.recursive:
            self._report(node, "is a loop with a condition; put the condition inside it")
        else:
            self._loops[node.target.name] = node.iter.name
            self._read_block(node, node.body)
            self._loops.clear()
            self._read_block(node, node.else_)

    def _read_block(self, node: nodes.Node, body: list[nodes.Node]) -> None:
        """One body of a condition or a loop: it stands between elements, and closes what it opens."""
        if body:
            self._flat.add_slot(Slot(node.lineno, Slot.BEGIN))
            self._read(body)
            self._flat.add_slot(Slot(node.lineno, Slot.END))


def _meant(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, sorted(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _missing(printed: frozenset[str]) -> Iterator[TemplateProblem]:
    for name in DEMANDED:
        if name not in printed:
            yield TemplateProblem("html", 1, f"does not print {{{{ {name} }}}}, which every certificate must show")
    for source, names in DEMANDED_OF_LISTS.items():
        for name in sorted(names):
            if f"{source}.{name}" not in printed:
                yield TemplateProblem("html", 1, f"does not print the {name} of each of {source}")
