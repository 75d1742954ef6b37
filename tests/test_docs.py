"""The pages say what the code says: nothing that exists goes unmentioned, and nothing is mentioned that does not."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import MISSING, fields, is_dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

import pytest
import typer
import yaml
from temporalio.activity import _Definition
from typer.main import get_command

from activities import contract as activity_contract
from api.problems import PROBLEMS
from cli.main import app as command_line
from config.settings import Settings
from domain import credit
from domain.claims import Attention, Stage
from domain.corrections import CorrectionKind, CorrectionState, RevocationClass
from domain.identifiers import IDENTIFIERS
from domain.policy import CEActivityPolicy, Requirement
from domain.progress import Action, DeadlineName, StepKind, StepState, WaitingFor
from domain.reasons import CorrectionResolutionReason
from domain.refusals import RefusalCode
from domain.roles import Role
from domain.stuck import StuckCause, StuckReason
from domain.submissions import STAFF_KINDS, SubmissionKind
from storage.definitions import DefinitionStatus, read_definition
from storage.tables import PERSONAL_DATA, Base
from tests.description import DESCRIPTION
from workflows import explain
from workflows.contract import CLAIM_WORKFLOW, CORRECTION_WORKFLOW, MERGE_WORKFLOW, SEARCH_ATTRIBUTES, SIGNAL_OF_KIND

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
TITLES = {page: str(page.relative_to(ROOT)) for page in PAGES}
ROUTE = re.compile(r"\b(GET|POST|PUT|PATCH|DELETE) (/(?:v1/|healthz|readyz|metrics)[^\s`?)]*)")
# The folders that the glossary names code of.
CODE = ("activities", "api", "domain", "storage", "workflows")
# A definition says of each requirement which kind it is, although the class has a default.
REQUIREMENTS = {each.__name__ for each in get_args(Requirement)}
CALLED = re.compile(r'(?:call|curl)[^\n]*?"\$(api|claim)([^"\s]*)"')


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def section(name: str, heading: str) -> str:
    """The text below a heading, up to the next heading of any level."""
    found = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#+ |\Z)", page(name), re.MULTILINE | re.DOTALL)
    assert found is not None, f"{name} has no heading {heading}"
    return found[1]


def rows(text: str) -> dict[str, list[str]]:
    """The rows of the tables in a text by their first cell, which is a word of code."""
    found = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        for word in re.findall(r"`([^`]+)`", cells[0]) if line.startswith("| ") else ():
            found[word] = cells[1:]
    return found


@cache
def real_routes() -> dict[str, Any]:
    paths = DESCRIPTION["paths"]
    return {f"{method.upper()} {path}": described for path, each in paths.items() for method, described in each.items()}


def test_every_setting_is_explained_with_its_default() -> None:
    described = rows(section("docs/configuration.md", "Laurel"))
    for name, field in Settings.model_fields.items():
        default = "[]" if field.default == () else field.default
        assert described.pop(f"LAUREL_{name.upper()}")[0] == f"`{default}`", name
    assert not described


def test_the_example_of_settings_names_each_with_its_default() -> None:
    example = dict(re.findall(r"^# (LAUREL_[A-Z0-9_]+)=(.*)$", page(".env.example"), re.MULTILINE))
    assert example == {
        f"LAUREL_{name.upper()}": "[]" if field.default == () else str(field.default)
        for name, field in Settings.model_fields.items()
    }


def test_every_route_is_on_the_page_of_the_api_and_no_other() -> None:
    assert {f"{method} {path}" for method, path in ROUTE.findall(section("docs/api.md", "Routes"))} == set(
        real_routes()
    )


@pytest.mark.parametrize("name", TITLES.values())
def test_every_route_that_a_page_names_exists(name: str) -> None:
    named = {f"{method} {path}" for method, path in ROUTE.findall(page(name)) if "…" not in path}
    assert named <= set(real_routes())


def test_every_call_of_the_readme_exists() -> None:
    calls = re.sub(r"\s*\\\n\s*", " ", page("README.md")).splitlines()
    called = set()
    for line in calls:
        for base, path in CALLED.findall(line):
            method = found[1] if (found := re.search(r"-X (\w+)", line)) else "POST" if " -d " in line else "GET"
            called.add(f"{method} {'/v1/claims/{claim_id}' if base == 'claim' else ''}{path}")
    known = {re.sub(r"/attempts/\d", "/attempts/{number}", route).replace("$code", "{code}") for route in called}
    assert len(known) >= 12
    assert known <= set(real_routes())


def test_every_problem_is_listed_with_its_status() -> None:
    described = rows(section("docs/api.md", "Problems"))
    refusals = set(RefusalCode)
    assert {code: cells[0] for code, cells in described.items()} == {
        code: str(kind.status) for code, kind in PROBLEMS.items() if code not in refusals
    }


@pytest.mark.parametrize(
    ("heading", "words"),
    [
        ("Stages", Stage),
        ("Attention codes", Attention),
        ("Submission kinds", SubmissionKind),
        ("Refusal codes", RefusalCode),
        ("Roles", Role),
    ],
)
def test_every_word_has_its_row_in_the_glossary(heading: str, words: type[StrEnum]) -> None:
    assert set(rows(section("docs/glossary.md", heading))) == set(words)


def test_every_kind_of_submission_names_its_signal() -> None:
    described = rows(section("docs/glossary.md", "Submission kinds"))
    assert {kind: cells[-1] for kind, cells in described.items()} == {
        kind: f"`{signal}`" for kind, signal in SIGNAL_OF_KIND.items()
    }


@pytest.mark.parametrize("words", [Action, WaitingFor, StepKind, StepState, DeadlineName])
def test_every_word_of_a_status_is_in_the_glossary(words: type[StrEnum]) -> None:
    described = section("docs/glossary.md", "Words of a claim's status")
    listed = [set(re.findall(r"`([a-z_]+)`", line.split(" | ")[1])) for line in described.splitlines() if " | " in line]
    assert set(words) in listed


def test_every_name_of_code_in_the_glossary_exists() -> None:
    code = "\n".join(each.read_text() for folder in CODE for each in (ROOT / folder).rglob("*.py"))
    for line in section("docs/glossary.md", "Terms").splitlines()[3:]:
        for name in re.findall(r"`([^`]+)`", line.rpartition(" | ")[2]):
            assert (ROOT / name).is_file() or all(part in code for part in name.split(".")), name


def policy_classes(start: type = CEActivityPolicy) -> dict[str, type]:
    """Every class that a definition is made of."""
    found = {start.__name__: start}
    for hint in get_type_hints(start).values():
        for inner in _classes_in(hint):
            if inner.__name__ not in found:
                found |= policy_classes(inner)
    return found


def _classes_in(hint: Any) -> Iterator[type]:
    if is_dataclass(hint) and isinstance(hint, type):
        yield hint
    for inner in get_args(hint) if get_origin(hint) or isinstance(hint, UnionType) else ():
        yield from _classes_in(inner)


@pytest.mark.parametrize("name", policy_classes())
def test_every_field_of_a_policy_is_described(name: str) -> None:
    described = rows(section("docs/ce-activity.md", name))
    known = fields(policy_classes()[name])
    assert set(described) == {field.name for field in known}
    needed = {field.name for field in known if field.default is MISSING}
    always = {"kind"} if name in REQUIREMENTS else set()
    assert {field for field, cells in described.items() if cells[0] == "yes"} == needed | always


def test_every_word_that_a_definition_may_hold_is_described() -> None:
    described = page("docs/ce-activity.md")
    hints = [hint for each in policy_classes().values() for hint in get_type_hints(each).values()]
    enums = {inner for hint in hints for inner in (hint, *get_args(hint)) if is_enum(inner)} | {DefinitionStatus}
    assert len(enums) == 6
    for words in enums:
        assert not {word for word in words if f"`{word}`" not in described}


def is_enum(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, StrEnum)


def test_every_credit_type_is_described_with_whom_it_is_for() -> None:
    described = rows(section("docs/ce-activity.md", "Credit types"))
    assert set(described) == {rule.code for rule in credit.rules()}
    for rule in credit.rules():
        professions, identifiers = described[rule.code]
        named = set(re.findall(r"`([a-z_]+)`", professions))
        assert named == set(rule.professions) or professions.startswith("all")
        assert set(re.findall(r"`([a-z_]+)`", identifiers)) == set(rule.required_identifiers)


def test_every_version_of_a_credit_type_is_described_with_how_it_counts() -> None:
    described = section("docs/ce-activity.md", "How each type counts")
    for rule in credit.rules():
        name = "MOC points of every board" if rule.code.endswith("_moc_points") else f"`{rule.code}`"
        rounded = "down" if rule.rounding is credit.Rounding.DOWN else "to the nearest step"
        counted = f"{rule.minutes_per_unit} | {rule.increment} | {rounded} | {rule.minimum_units}"
        smallest = " |" if rule.allows_partial else "; and all or nothing |"
        assert f"| {name} | {rule.version} | {counted}{smallest}" in described


def test_every_identifier_of_a_profile_is_described() -> None:
    described = rows(section("docs/ce-activity.md", "Identifiers of a profile"))
    assert {code: cells[1] for code, cells in described.items()} == {
        kind.code: f"`{kind.example}`" for kind in IDENTIFIERS.values()
    }
    assert all(described[kind.code][0].startswith(f"{kind.label}: ") for kind in IDENTIFIERS.values())


def test_the_example_on_the_page_is_a_definition() -> None:
    found = re.search(r"```yaml\n(.*?)```", page("docs/ce-activity.md"), re.DOTALL)
    assert found is not None
    shown = read_definition(found[1]).policy
    whole = read_definition(page("examples/antimicrobial-stewardship-grand-rounds.yaml")).policy
    assert (shown.title, shown.provider, shown.claim_window) == (whole.title, whole.provider, whole.claim_window)


def test_every_text_that_operators_may_read_has_its_remedy() -> None:
    described = section("docs/operations.md", "What a claim's page says, and what frees it")
    texts: Iterable[str] = [*explain._WAITS.values(), *explain._REMEDIES.values()]
    assert not [words for words in texts if f"| {words} |" not in described]


def test_every_state_of_a_correction_that_operators_may_read_is_explained() -> None:
    described = section("docs/operations.md", "A correction in the Temporal UI")
    texts: Iterable[str] = [*explain._CORRECTIONS.values(), *explain._CORRECTION_REMEDIES.values()]
    assert not [words for words in texts if f"| {words} |" not in described]
    states = section("docs/certificates.md", "Corrections, revocation, reissue")
    codes = (*CorrectionState, *CorrectionKind, *RevocationClass, *CorrectionResolutionReason)
    assert not [word for word in codes if f"`{word}`" not in states]


def test_operators_find_search_attributes_and_signals() -> None:
    queries = section("docs/operations.md", "Finding claims in the Temporal UI")
    assert not [name for name in SEARCH_ATTRIBUTES if f"`{name}`" not in queries]
    operators = {SIGNAL_OF_KIND[kind] for kind in STAFF_KINDS}
    assert set(rows(section("docs/operations.md", "Signals"))) == operators


def runbook(heading: str) -> set[str]:
    return set(rows(section("docs/runbook.md", heading)))


def test_the_runbook_has_a_row_for_each_attention_code_and_each_other_reason_and_cause() -> None:
    assert runbook("Attention codes") == set(Attention)
    reasons = set(StuckReason) - {StuckReason(each) for each in Attention}
    assert runbook("Why claims are stuck") == reasons | set(StuckCause)


def test_the_runbook_has_a_row_for_each_activity_and_workflow_that_a_worker_registers() -> None:
    protocols = (getattr(activity_contract, name) for name in dir(activity_contract) if name.endswith("Activities"))
    methods = [method for protocol in protocols for method in vars(protocol).values()]
    found = [_Definition.from_callable(method) for method in methods if callable(method)]
    activities = {each.name for each in found if each is not None}
    assert len(activities) >= 15
    workflows = {CLAIM_WORKFLOW, CORRECTION_WORKFLOW, MERGE_WORKFLOW}
    assert runbook("Activities") == activities | workflows


def test_every_alert_leads_to_its_section_of_the_runbook() -> None:
    groups = yaml.safe_load(page("deploy/prometheus/alerts.yml"))["groups"]
    alerts = {rule["alert"]: rule["annotations"]["runbook"] for group in groups for rule in group["rules"]}
    assert len(alerts) >= 8
    for name, address in alerts.items():
        path, _, anchor = address.partition("#")
        assert (path, anchor in anchors(ROOT / path)) == ("docs/runbook.md", True), name
        assert anchor == "attention-codes" or f"`{name}`" in page(path), name


def test_every_command_is_described() -> None:
    described = set(rows(section("docs/operations.md", "The embedded stack")))
    assert {f"laurel {name}" for name in commands(get_command(command_line))} <= described


def commands(command: Any, before: str = "") -> Iterator[str]:
    for name, inner in command.commands.items():
        if isinstance(inner, typer.core.TyperGroup):
            yield from commands(inner, f"{before}{name} ")
        else:
            yield f"{before}{name}"


def test_every_table_is_described_with_the_personal_data_it_holds() -> None:
    assert set(rows(section("docs/architecture.md", "The record"))) == set(Base.metadata.tables)
    assert rows(section("docs/audit.md", "Personal data")) == {
        table: [held.what, held.purpose, held.kept] for table, held in PERSONAL_DATA.items() if held is not None
    }


@pytest.mark.parametrize("name", TITLES.values())
def test_every_link_leads_somewhere(name: str) -> None:
    for target in re.findall(r"\]\((?!https?://)([^)\s]+)\)", page(name)):
        path, _, anchor = target.partition("#")
        found = ((ROOT / name).parent / path).resolve() if path else ROOT / name
        assert found.exists(), target
        assert not anchor or anchor in anchors(found), target


def anchors(path: Path) -> set[str]:
    """The addresses of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_readme_is_short_and_begins_with_two_commands_that_exist() -> None:
    lines = page("README.md").splitlines()
    assert len(lines) < 200
    commands_shown = [line.split("#")[0].strip() for line in lines[:12] if line.startswith("    make ")]
    assert commands_shown == ["make demo", "make test"]
    makefile = page("Makefile")
    targets = re.findall(r"^([a-z]+):.*\n\t@?(.+?)(?: \$\(ARGS\))?$", makefile, re.MULTILINE)
    for target, recipe in targets:
        if target in ("demo", "test"):
            assert f"    {recipe}" in lines


def test_every_make_target_that_a_page_names_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", page("Makefile"), re.MULTILINE))
    named = {
        target for each in PAGES for target in re.findall(r"(?:`|^    )make ([a-z]+)", each.read_text(), re.MULTILINE)
    }
    assert {"demo", "test", "check"} <= named <= targets
