"""The notation of definitions: YAML or JSON, read into plain values that know their lines.

Built from the parser's events, so that nothing but mappings, lists and plain values is ever made. What a definition
may not hold (aliases, anchors, tags, repeated fields, deep nesting) is reported where it stands, and the rest is read.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, cast

import yaml
from yaml.reader import Reader

from domain.policy_problems import Path
from storage.definitions.problems import DefinitionError, DefinitionProblem, printed

MAXIMUM_DEFINITION_BYTES: Final = 256 * 1024
UNREADABLE: Final = object()
"""Stands for a value that could not be read, and whose mistake is reported already."""

_MAXIMUM_DEPTH: Final = 12
_MAXIMUM_ENTRIES: Final = 500
_MAXIMUM_FIELDS: Final = 100
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,18}")
_BOOLEANS: Final = {"true": True, "false": False}
_NULLS: Final = ("", "~", "null")
# JSON writes characters beyond the first 65,536 as two escapes, which are no characters in YAML.
_TWO_HALVES: Final = re.compile(r"(?<!\\)((?:\\\\)*)\\u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})", re.IGNORECASE)
# The parser of libyaml is twenty times as fast; without it a large definition takes seconds to read.
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Found = tuple[Path, str]


class Document:
    """The plain values of a text, the line on which each of them stands, and what is wrong with their notation.

    Raises ``DefinitionError`` when the text cannot be parsed to its end.
    """

    def __init__(self, text: str) -> None:
        self.values: dict[str, Any] = {}
        self.lines: dict[Path, int] = {(): 1}
        self.problems: list[DefinitionProblem] = []
        if len(text.encode("utf-8", "surrogatepass")) > MAXIMUM_DEFINITION_BYTES:
            raise self._refusal(1, f"is larger than {MAXIMUM_DEFINITION_BYTES // 1024} KiB")
        unprintable = Reader.NON_PRINTABLE.search(text)
        if unprintable:
            raise self._refusal(text.count("\n", 0, unprintable.start()) + 1, "holds a character that is not printed")
        try:
            self._events = yaml.parse(_prepared(text), Loader=_LOADER)
            self._read_stream()
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            raise self._refusal(mark.line + 1 if mark else 1, f"cannot be read: {error.problem}") from error

    def located(self, problems: Iterable[Found]) -> Iterator[DefinitionProblem]:
        """The problems with their lines."""
        for path, message in problems:
            yield DefinitionProblem(line_of(self.lines, path), printed(path), message)

    def _report(self, event: yaml.Event, path: Path, message: str) -> None:
        self.problems.append(DefinitionProblem(_line(event), printed(path), message))

    def _refusal(self, line: int, message: str) -> DefinitionError:
        return DefinitionError([*self.problems, DefinitionProblem(line, "", message)])

    def _read_stream(self) -> None:
        next(self._events)
        if isinstance(next(self._events), yaml.StreamEndEvent):
            raise self._refusal(1, "is empty")
        root = self._read(next(self._events), ())
        if not isinstance(root, dict):
            raise self._refusal(1, "is a mapping of fields")
        self.values = root
        next(self._events)
        if not isinstance(next(self._events), yaml.StreamEndEvent):
            raise self._refusal(1, "is one document only")

    def _read(self, event: yaml.Event, path: Path) -> Any:
        self.lines.setdefault(path, _line(event))
        mistake = _mistake_of(event)
        if mistake:
            self._report(event, path, mistake)
            self._skip(event, path)
            return UNREADABLE
        self._check_depth(event, len(path))
        if isinstance(event, yaml.MappingStartEvent):
            return self._read_mapping(path)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._read_list(path)
        return _plain_value(cast("yaml.ScalarEvent", event))

    def _read_mapping(self, path: Path) -> dict[str, Any]:
        values: dict[str, Any] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                self._report(event, path, "has names for fields, not lists or aliases")
                self._skip(event, path)
                self._skip(next(self._events), path)
                continue
            here = (*path, event.value)
            if event.value in values or len(values) == _MAXIMUM_FIELDS:
                is_repeated = event.value in values
                message = "is given twice" if is_repeated else f"is one of more than {_MAXIMUM_FIELDS} fields"
                self._report(event, here, message)
                self._skip(next(self._events), here)
                continue
            self.lines[here] = _line(event)
            values[event.value] = self._read(next(self._events), here)
        return values

    def _read_list(self, path: Path) -> list[Any]:
        values: list[Any] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            if len(values) < _MAXIMUM_ENTRIES:
                values.append(self._read(event, (*path, len(values))))
                continue
            self._report(event, path, f"has at most {_MAXIMUM_ENTRIES} entries")
            while not isinstance(event, yaml.SequenceEndEvent):
                self._skip(event, path)
                event = next(self._events)
            break
        return values

    def _skip(self, event: yaml.Event, path: Path) -> None:
        """Read past a value."""
        depth = 0
        while True:
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth == 0:
                return
            self._check_depth(event, len(path) + depth)
            event = next(self._events)

    def _check_depth(self, event: yaml.Event, depth: int) -> None:
        # Nothing is read beyond this: the parser's time grows with the square of the depth.
        if depth > _MAXIMUM_DEPTH:
            raise self._refusal(_line(event), f"is nested at most {_MAXIMUM_DEPTH} deep")


def line_of(lines: Mapping[Path, int], path: Path) -> int:
    """The line of a field; of what should hold it, if it is absent."""
    return next(lines[path[:length]] for length in range(len(path), -1, -1) if path[:length] in lines)


def _mistake_of(event: yaml.Event) -> str | None:
    if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
        return "has no anchors (&) and no aliases (*)"
    return "has no tags (!)" if getattr(event, "tag", None) is not None else None


def _prepared(text: str) -> str:
    text = text.removeprefix("\ufeff")
    if not text.lstrip().startswith("{"):
        return text
    # Tabs indent JSON as they may not indent YAML; inside JSON's strings they are written \t.
    return _TWO_HALVES.sub(lambda found: found[1] + _joined(found[2], found[3]), text.replace("\t", " "))


def _joined(high: str, low: str) -> str:
    return bytes.fromhex(high + low).decode("utf-16-be")


def _plain_value(event: yaml.ScalarEvent) -> str | int | bool | None:
    """A word stays a word and a decimal its digits; only null, true, false and whole numbers are more than text.

    Blanks at the ends are dropped: a folded YAML text ends in a line end that nobody means.
    """
    text = event.value.strip()
    if not event.implicit[0]:
        return text
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    return int(text) if _INTEGER.fullmatch(text) else text


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1
