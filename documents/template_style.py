"""The style sheet of a provider's own template: what it may not ask for."""

from collections.abc import Iterator
from typing import Any, Final

import tinycss2  # type: ignore[import-untyped]

from documents.template_markup import TemplateProblem

_FETCHING: Final = frozenset({"url", "src", "image", "image-set", "cross-fade", "element", "paint", "expression"})
# What these do is not seen when it is checked that every word of a certificate is on its page, and in nobody's way.
_HIDING: Final = frozenset(
    {
        "overflow", "overflow-x", "overflow-y", "overflow-clip-margin", "clip", "clip-path", "mask", "mask-image",
        "mask-border", "transform", "translate", "rotate", "scale", "filter", "backdrop-filter", "visibility",
        "mix-blend-mode", "content-visibility", "text-overflow", "block-ellipsis", "max-lines", "continue",
    }
)  # fmt: skip
_RUNNING: Final = frozenset({"behavior", "-moz-binding"})


def style_problems(css: str) -> Iterator[TemplateProblem]:
    """What is wrong with a style sheet: mistakes, what it would fetch, and what would hide words."""
    if "</" in css or "<!--" in css or "-->" in css:
        line = css.count("\n", 0, min(at for mark in ("</", "<!--", "-->") if (at := css.find(mark)) >= 0)) + 1
        yield _problem(line, "holds markup")
    try:
        yield from _rules(tinycss2.parse_stylesheet(css, skip_comments=True, skip_whitespace=True))
    except RecursionError:
        yield _problem(1, "is nested too deep")


def _rules(rules: list[Any]) -> Iterator[TemplateProblem]:
    for rule in rules:
        if rule.type == "error":
            yield _problem(rule.source_line, f"cannot be read: {rule.message}")
        elif rule.type == "at-rule":
            yield from _at_rule(rule)
        else:
            yield from _values(rule.prelude)
            yield from _block(rule.content or [])


def _at_rule(rule: Any) -> Iterator[TemplateProblem]:
    name = rule.lower_at_keyword
    if name == "import":
        yield _problem(rule.source_line, "imports another style sheet")
    elif name == "font-face":
        yield _problem(rule.source_line, "brings a typeface; only the bundled ones can be used")
    elif name == "media":
        yield from _rules(tinycss2.parse_rule_list(rule.content or [], skip_comments=True, skip_whitespace=True))
    elif name == "page":
        yield from _block(rule.content or [])
    else:
        yield _problem(rule.source_line, "has a rule other than @page and @media")


def _block(content: list[Any]) -> Iterator[TemplateProblem]:
    for each in tinycss2.parse_blocks_contents(content, skip_comments=True, skip_whitespace=True):
        if each.type == "error":
            yield _problem(each.source_line, f"cannot be read: {each.message}")
        elif each.type == "declaration":
            if each.lower_name in _HIDING:
                yield _problem(each.source_line, f"uses {each.lower_name}, with which words can be cut off or hidden")
            if each.lower_name in _RUNNING:
                yield _problem(each.source_line, "uses a property that runs code")
            yield from _values(each.value)
        elif each.type == "at-rule":
            # The margin boxes of a page.
            yield from _block(each.content or [])
        else:
            yield _problem(each.source_line, "has a rule inside a rule")


def _values(tokens: list[Any]) -> Iterator[TemplateProblem]:
    for token in tokens:
        if token.type == "url" or (token.type == "function" and token.lower_name in _FETCHING):
            yield _problem(token.source_line, "names an address; {{ logo }}, {{ qr }} and signatures print pictures")
        elif token.type == "error":
            yield _problem(token.source_line, f"cannot be read: {token.message}")
        yield from _values(getattr(token, "content", None) or getattr(token, "arguments", None) or [])


def _problem(line: int, message: str) -> TemplateProblem:
    return TemplateProblem("css", line, message)
