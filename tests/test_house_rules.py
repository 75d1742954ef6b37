"""Rules of the house that no linter knows, each checked over every file that the project keeps."""

import ast
import gc
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

MOST_LINES_OF_A_FUNCTION = 45
MOST_LINES_OF_A_MODULE = 450
MOST_LINES_OF_A_TEST_MODULE = 600
# Written by a generator, or by other people.
GENERATED = ("storage/migrations/versions/",)
VENDORED = ("api/static/docs/", "documents/fonts/")
# This file has to name what it forbids.
ITSELF = "tests/test_house_rules.py"

# In parts, because not even this file may name one.
REGISTRIES = tuple(
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("yarnpkg", "com"),
        ("jsdelivr", "net"),
        ("unpkg", "com"),
        ("docker", "io"),
        ("ghcr", "io"),
        ("quay", "io"),
        ("gcr", "io"),
        ("crates", "io"),
        ("proxy", "golang", "org"),
        ("deb", "debian", "org"),
    )
)
REGISTRY = re.compile(rf"(?<![\w-])(?:[\w-]+\.)*(?:{'|'.join(map(re.escape, REGISTRIES))})(?![\w-])", re.IGNORECASE)
MACHINE_PATH = re.compile(r"(?<![\w.$}])/(?:home|Users|root|work)/\w|\b[A-Za-z]:\\Users\\")
EMAIL = re.compile(r"[\w.+-]+@((?:[\w-]+\.)+[A-Za-z]{2,})")
RESERVED = re.compile(r"(?:.+\.)?(?:example|test|invalid|localhost|example\.(?:com|net|org))", re.IGNORECASE)
UNFINISHED = re.compile(r"\b(?:TODO|FIXME|NotImplementedError)\b")
MOCK = re.compile(r"\bmock\b")
EMOJI = re.compile("[\U0001f300-\U0001faff\u2600-\u26ff\u2705\u274c\u2728]")
SHAPELESS = {"utils", "util", "helpers", "helper", "common", "misc", "manager"}


@cache
def tracked() -> tuple[str, ...]:
    """Every file that git keeps or would keep."""
    listed = subprocess.check_output(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT)
    names = sorted(set(listed.decode().split("\0")) - {""})
    return tuple(name for name in names if (ROOT / name).is_file())


@cache
def texts() -> dict[str, str]:
    """The text files among them that are our own."""
    found = {}
    for name in tracked():
        content = (ROOT / name).read_bytes()
        if not name.startswith(VENDORED) and b"\0" not in content:
            found[name] = content.decode("utf-8")
    return found


@cache
def modules() -> dict[str, ast.Module]:
    # To look through a million nodes for garbage, again and again, takes three times as long as making them.
    gc.disable()
    found = {name: ast.parse(text, name) for name, text in texts().items() if name.endswith(".py")}
    gc.freeze()
    gc.enable()
    return found


Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions() -> Iterator[tuple[str, Function]]:
    for name, module in modules().items():
        for node in ast.walk(module):
            if isinstance(node, Function):
                yield name, node


def found_in_texts(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{name}:{number}"
        for name, text in texts().items()
        for number, line in enumerate(text.splitlines(), 1)
        if name != ITSELF and pattern.search(line)
    ]


@pytest.fixture(scope="module", autouse=True)
def _in_a_repository() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("the project is not a git repository, so nobody knows which files it keeps")


def test_no_function_is_longer_than_45_lines() -> None:
    offenders = [
        f"{name}: {function.name} has {length} lines"
        for name, function in functions()
        if (length := (function.end_lineno or 0) - function.lineno + 1) > MOST_LINES_OF_A_FUNCTION
        and not name.startswith(GENERATED)
    ]
    assert not offenders


def test_no_module_is_longer_than_its_budget() -> None:
    offenders = []
    for name in modules():
        most = MOST_LINES_OF_A_TEST_MODULE if name.startswith("tests/") else MOST_LINES_OF_A_MODULE
        length = len(texts()[name].splitlines())
        if length > most and not name.startswith(GENERATED):
            offenders.append(f"{name} has {length} lines")
    assert not offenders


def test_every_workflow_activity_and_signal_has_an_explicit_name() -> None:
    named, offenders = 0, []
    for name, module in modules().items():
        for node in ast.walk(module):
            for decorator in getattr(node, "decorator_list", ()):
                kind = _temporal_kind(decorator)
                if kind is None or name.startswith("bench/"):
                    continue
                named += 1
                if not isinstance(decorator, ast.Call) or "name" not in {key.arg for key in decorator.keywords}:
                    offenders.append(f"{name}:{decorator.lineno}: {kind}")
    assert not offenders
    assert named > 20


def _temporal_kind(decorator: ast.expr) -> str | None:
    words = ast.unparse(decorator.func if isinstance(decorator, ast.Call) else decorator)
    kinds = ("workflow.defn", "activity.defn", "workflow.signal", "workflow.query", "workflow.update")
    return words if words in kinds else None


def test_tests_use_fakes_and_not_the_mock_library() -> None:
    offenders = [
        f"{name}:{node.lineno}"
        for name, module in modules().items()
        for node in ast.walk(module)
        if isinstance(node, ast.Import | ast.ImportFrom) and MOCK.search(ast.unparse(node))
    ]
    assert not offenders


def test_no_folder_of_tests_is_a_package() -> None:
    # A package tests/domain would stand in front of the real one.
    assert not [name for name in modules() if name.startswith("tests/") and name.endswith("__init__.py")]


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert not [name for name in modules() if SHAPELESS & {part.removesuffix(".py") for part in Path(name).parts}]


def test_no_file_names_the_host_of_a_package_registry() -> None:
    assert not found_in_texts(REGISTRY)


def test_no_file_holds_a_path_of_somebodys_machine() -> None:
    assert not found_in_texts(MACHINE_PATH)


def test_every_email_address_outside_the_tests_is_at_a_domain_that_nobody_owns() -> None:
    offenders = [
        f"{name}: {found[0]}"
        for name, text in texts().items()
        if not name.startswith("tests/")
        for found in EMAIL.finditer(text)
        if not RESERVED.fullmatch(found[1])
    ]
    assert not offenders


def test_nothing_is_left_unfinished() -> None:
    assert not found_in_texts(UNFINISHED)


def test_no_file_of_ours_outside_the_tests_holds_an_emoji() -> None:
    ours = [place for place in found_in_texts(EMOJI) if not place.startswith(("tests/", "api/static/vendor/"))]
    assert not ours


@pytest.mark.parametrize(
    ("pattern", "line", "is_found"),
    [
        (REGISTRY, f"see https://files.{REGISTRIES[1]}/packages", True),
        (REGISTRY, f"mirror.{REGISTRIES[7]}/library/postgres", True),
        (REGISTRY, "image: postgres:18", False),
        (MACHINE_PATH, "open('/home/ada/laurel')", True),
        (MACHINE_PATH, "cd /Users/ada/laurel", True),
        (MACHINE_PATH, "GET /v1/home/page", False),
        (UNFINISHED, "# TODO: later", True),
        (EMAIL, "ada@hospital.example", True),
        (MOCK, "from unittest.mock import patch", True),
        (MOCK, "from tests.fakes import KeptMail", False),
        (EMOJI, "done \u2705", True),
    ],
)
def test_the_rules_find_what_they_forbid(pattern: re.Pattern[str], line: str, *, is_found: bool) -> None:
    assert bool(pattern.search(line)) is is_found
