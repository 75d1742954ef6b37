"""Definitions of CE activities: YAML or JSON that staff write, read into a policy, and a policy's canonical JSON.

A definition is the policy (``domain/policy.py``, the same field names) with a ``slug`` and a ``status`` beside it.
Every mistake is reported with its line and field; nothing is guessed: ``yes`` is a word, ``1.10`` keeps its zero.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from datetime import date
from difflib import get_close_matches
from enum import StrEnum
from functools import cache
from itertools import islice
from typing import Any, cast, get_args

import yaml
from pydantic import TypeAdapter, ValidationError

from domain import credit
from domain.policy import CEActivityPolicy, Requirement
from domain.policy_checks import Path, problems_with

MAXIMUM_DEFINITION_BYTES = 256 * 1024
_MAXIMUM_DEPTH = 12
_MAXIMUM_PROBLEMS = 100

_SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_MAXIMUM_SLUG_LENGTH = 80
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_BOOLEANS = {"true": True, "false": False}
_NULLS = ("", "~", "null")

_POLICY: TypeAdapter[CEActivityPolicy] = TypeAdapter(CEActivityPolicy)


class DefinitionStatus(StrEnum):
    """Whether learners can see the CE activity; open claims go on in either case."""

    DRAFT = "draft"
    PUBLISHED = "published"


@dataclass(frozen=True, slots=True)
class Definition:
    """What staff define: the name in addresses, whether it is published, and the policy."""

    slug: str
    status: DefinitionStatus
    policy: CEActivityPolicy


@dataclass(frozen=True, slots=True)
class DefinitionProblem:
    """One mistake: the line (from 1), the field such as ``credit[0].designated_units``, and what would be right."""

    line: int
    field: str
    message: str


class DefinitionError(ValueError):
    """The definition cannot be used; ``problems`` are in the order of their lines."""

    def __init__(self, problems: Iterable[DefinitionProblem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: problem.line))[:_MAXIMUM_PROBLEMS]
        super().__init__(
            "\n".join(
                f"line {problem.line}: {problem.field or 'the definition'}: {problem.message}"
                for problem in self.problems
            )
        )


def read_definition(text: str) -> Definition:
    """Read a definition, YAML or JSON.

    Raises ``DefinitionError`` with all mistakes that can be seen at once: those of the notation first, then missing,
    unknown and wrong fields, then what the fields say together (``domain/policy_checks.py``).
    """
    document = _Document(text)
    values = dict(document.values)
    slug, status = values.pop("slug", None), values.pop("status", DefinitionStatus.PUBLISHED)
    problems = [*_heading_problems(slug, status), *_notation_problems(values)]
    try:
        policy = _POLICY.validate_json(json.dumps(values), strict=True)
    except ValidationError as error:
        reported = {path for path, _ in problems}
        shape_problems = islice(_shape_problems(error, values), _MAXIMUM_PROBLEMS)
        problems += [(path, message) for path, message in shape_problems if path not in reported]
    else:
        problems += [(problem.path, problem.message) for problem in problems_with(policy)]
    if problems:
        raise DefinitionError(document.located(problems))
    return Definition(slug=cast("str", slug), status=DefinitionStatus(cast("str", status)), policy=policy)


def policy_to_json(policy: CEActivityPolicy, published_on: date | None = None) -> dict[str, object]:
    """The policy as it is stored for ever: amounts and dates as strings, and every rule version named.

    Offers without a version get the one in force on ``published_on``, or the newest; see ``domain.credit.rule``.
    """
    pinned = [
        replace(offer, rule_version=credit.rule(offer.credit_type, offer.rule_version, published_on).version)
        for offer in policy.credit
    ]
    return cast("dict[str, object]", _POLICY.dump_python(replace(policy, credit=tuple(pinned)), mode="json"))


def policy_from_json(values: Mapping[str, object]) -> CEActivityPolicy:
    """Read back what ``policy_to_json`` wrote; raises ``pydantic.ValidationError`` for anything else."""
    return _POLICY.validate_json(json.dumps(values), strict=True)


def json_schema() -> dict[str, object]:
    """The JSON Schema of a definition, for editors and for the API's documentation."""
    schema = _POLICY.json_schema()
    heading = {
        "slug": {"type": "string", "pattern": f"^{_SLUG.pattern}$", "maxLength": _MAXIMUM_SLUG_LENGTH},
        "status": {"type": "string", "enum": list(DefinitionStatus), "default": DefinitionStatus.PUBLISHED},
    }
    schema["title"] = "CE activity definition"
    schema["properties"] = heading | schema["properties"]
    schema["required"] = ["slug", *schema["required"]]
    return schema


_Found = tuple[Path, str]


def _heading_problems(slug: object, status: object) -> Iterator[_Found]:
    if not isinstance(slug, str) or not _SLUG.fullmatch(slug) or len(slug) > _MAXIMUM_SLUG_LENGTH:
        what = f"is a name for addresses such as grand-rounds-2026: a-z, 0-9 and -, at most {_MAXIMUM_SLUG_LENGTH} long"
        yield ("slug",), what
    if status not in list(DefinitionStatus):
        yield ("status",), f"is {_either(DefinitionStatus)}"


def _notation_problems(values: Mapping[str, Any]) -> Iterator[_Found]:
    """What the types let pass: a requirement without a kind, and amounts in a notation nobody should have to guess."""
    for at, requirement in enumerate(_entries(values, "requirements")):
        if requirement.get("kind") not in list(_requirement_names()):
            yield ("requirements", at, "kind"), f"is {_either(_requirement_names())}"
    for at, offer in enumerate(_entries(values, "credit")):
        try:
            credit.parse_units(str(offer.get("designated_units", "0")))
        except ValueError:
            yield ("credit", at, "designated_units"), "is written in digits with at most two decimals, such as 1.25"


def _entries(values: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    entries = values.get(name)
    return [entry if isinstance(entry, dict) else {} for entry in entries] if isinstance(entries, list) else []


def _requirement_names() -> dict[str, str]:
    """Each kind of requirement with its class's name, which errors name."""
    classes = get_args(Requirement)
    return {str(next(f.default for f in fields(each) if f.name == "kind")): each.__name__ for each in classes}


def _shape_problems(error: ValidationError, values: Mapping[str, Any]) -> Iterator[_Found]:
    names = _requirement_names()
    for detail in error.errors(include_url=False, include_input=False):
        path = detail["loc"]
        if path[0] == "requirements" and len(path) > 2:  # noqa: PLR2004 -- list, place, class
            # Errors come from every class that a requirement might be; only those of its own kind mean anything.
            requirement = _entries(values, "requirements")[cast("int", path[1])]
            if names.get(requirement.get("kind", "")) != path[2]:
                continue
            path = (*path[:2], *path[3:])
        yield path, _message(detail["type"], detail["msg"], path)


def _message(kind: str, message: str, path: Path) -> str:
    match kind:
        case "missing":
            return "is missing"
        case "unexpected_keyword_argument":
            name, known = str(path[-1]), _field_names()
            close = [] if name in known else get_close_matches(name, known, n=1)
            return "is not a field here" + (f"; did you mean {close[0]}?" if close else "")
        case "string_type":
            return "is text; write it in quotes"
        case "date_parsing" | "date_from_datetime_parsing" | "date_type":
            return "is a date such as 2026-09-30"
        case _:
            return message.replace("Input should be", "is", 1)


@cache
def _field_names() -> list[str]:
    schema = _POLICY.json_schema()
    owners = [schema, *schema["$defs"].values()]
    return sorted({name for owner in owners for name in owner.get("properties", {})})


def _either(words: Iterable[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} or {last}"


class _Document:
    """The plain values of a YAML or JSON text, and the line on which each of them stands.

    Built from the parser's events, so that nothing but mappings, lists and plain values is ever made: aliases, anchors,
    tags, repeated fields and deep nesting are refused where they stand.
    """

    def __init__(self, text: str) -> None:
        if len(text.encode("utf-8", "surrogatepass")) > MAXIMUM_DEFINITION_BYTES:
            raise _refusal(1, f"is larger than {MAXIMUM_DEFINITION_BYTES // 1024} KiB")
        if text.lstrip().startswith("{"):
            # Tabs indent JSON as they may not indent YAML; inside JSON's strings they are written \t.
            text = text.replace("\t", " ")
        self.values: dict[str, Any] = {}
        self._lines: dict[Path, int] = {(): 1}
        try:
            self._events = yaml.parse(text, Loader=yaml.SafeLoader)
            self._read_stream()
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            raise _refusal(mark.line + 1 if mark else 1, f"cannot be read: {error.problem}") from error
        except yaml.reader.ReaderError as error:
            line = text.count("\n", 0, error.position) + 1
            raise _refusal(line, "holds a character that cannot be printed") from error

    def located(self, problems: Iterable[_Found]) -> Iterator[DefinitionProblem]:
        """The problems with their lines; a field that is absent has the line of what should hold it."""
        for path, message in problems:
            known = next(path[:length] for length in range(len(path), -1, -1) if path[:length] in self._lines)
            yield DefinitionProblem(self._lines[known], _printed(path), message)

    def _read_stream(self) -> None:
        next(self._events)
        if isinstance(next(self._events), yaml.StreamEndEvent):
            raise _refusal(1, "is empty")
        root = self._read(next(self._events), ())
        if not isinstance(root, dict):
            raise _refusal(1, "is a mapping of fields")
        self.values = root
        next(self._events)
        if not isinstance(next(self._events), yaml.StreamEndEvent):
            raise _refusal(1, "is one document only")

    def _read(self, event: yaml.Event, path: Path) -> Any:
        line = _line(event)
        self._lines.setdefault(path, line)
        if len(path) > _MAXIMUM_DEPTH:
            raise _refusal(line, f"is nested at most {_MAXIMUM_DEPTH} deep")
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise _refusal(line, "has no anchors (&) and no aliases (*)", path)
        if getattr(event, "tag", None) is not None:
            raise _refusal(line, "has no tags (!)", path)
        if isinstance(event, yaml.MappingStartEvent):
            return self._read_mapping(path)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._read_list(path)
        return _plain_value(cast("yaml.ScalarEvent", event), path)

    def _read_mapping(self, path: Path) -> dict[str, Any]:
        values: dict[str, Any] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            line = _line(event)
            if not isinstance(event, yaml.ScalarEvent):
                raise _refusal(line, "has names for fields, not lists or aliases", path)
            name = event.value
            if name in values:
                raise _refusal(line, "is given twice", (*path, name))
            self._lines[*path, name] = line
            values[name] = self._read(next(self._events), (*path, name))
        return values

    def _read_list(self, path: Path) -> list[Any]:
        values: list[Any] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            values.append(self._read(event, (*path, len(values))))
        return values


def _plain_value(event: yaml.ScalarEvent, path: Path) -> str | int | bool | None:
    """A word stays a word and a decimal its digits; only null, true, false and whole numbers are more than text.

    Blanks at the ends are dropped: a folded YAML text ends in a line end that nobody means.
    """
    try:
        # JSON writes characters beyond the first 65,536 as two escapes, which YAML reads as two halves.
        text = event.value.encode("utf-16", "surrogatepass").decode("utf-16").strip()
    except UnicodeDecodeError as error:
        raise _refusal(_line(event), "holds half a character", path) from error
    if not event.implicit[0]:
        return text
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    return int(text) if _INTEGER.fullmatch(text) else text


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


def _refusal(line: int, message: str, path: Path = ()) -> DefinitionError:
    return DefinitionError([DefinitionProblem(line, _printed(path), message)])


def _printed(path: Path) -> str:
    # A field's name comes from the author, who may have pasted a page into it.
    parts = [f"[{part}]" if isinstance(part, int) else f".{part[:60]}" for part in path]
    return "".join(parts).removeprefix(".")
