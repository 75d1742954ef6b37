"""A crash point does what it was told, once, in one process; and nothing at all elsewhere."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from config.crash_points import crash_point, react_with
from tests.faults.crash_points import FOLDER_VARIABLE, POINTS, Action, CrashPointError, CrashPoints, Fired

ROOT = Path(__file__).parents[2]
_IMPORT = "from tests.faults.crash_points import load; from config.crash_points import crash_point\n"


def reaching(folder: Path, times: int, prepare: str = "load()") -> "subprocess.CompletedProcess[str]":
    program = (
        f"{_IMPORT}{prepare}\nfor number in range({times}):\n    crash_point('a', 'b')\n    print(number, flush=True)"
    )
    environment = os.environ | {FOLDER_VARIABLE: str(folder), "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, env=environment)


def test_a_process_dies_at_the_nth_time_and_the_next_one_lives(tmp_path: Path) -> None:
    points = CrashPoints(tmp_path)
    points.arm("a.b", 3, Action.KILL)
    died = reaching(tmp_path, 5)
    assert (died.returncode, died.stdout.split()) == (-signal.SIGKILL, ["0", "1"])
    assert [(each.name, each.action) for each in points.fired()] == [("a.b", Action.KILL)]
    assert reaching(tmp_path, 5).stdout.split() == ["0", "1", "2", "3", "4"]


def test_a_point_that_is_told_to_fail_raises_once(tmp_path: Path) -> None:
    points = CrashPoints(tmp_path)
    points.arm("a.b", 1, Action.RAISE)
    with pytest.raises(CrashPointError):
        points.reach("a.b")
    points.reach("a.b")
    assert points.fired() == [Fired("a.b", Action.RAISE, os.getpid())]


def test_a_point_that_is_armed_again_counts_anew(tmp_path: Path) -> None:
    points = CrashPoints(tmp_path)
    for _ in range(2):
        points.arm("a.b", 2, Action.RAISE)
        points.reach("a.b")
        with pytest.raises(CrashPointError):
            points.reach("a.b")


def test_a_point_that_was_disarmed_or_has_another_name_does_nothing(tmp_path: Path) -> None:
    points = CrashPoints(tmp_path)
    points.arm("a.b", 1, Action.RAISE)
    points.reach("a")
    points.disarm()
    points.reach("a.b")
    assert points.fired() == []


def test_a_point_does_nothing_in_a_process_that_no_test_prepared(tmp_path: Path) -> None:
    points = CrashPoints(tmp_path)
    points.arm("a.b", 1, Action.KILL)
    went_on = reaching(tmp_path, 2, prepare="")
    assert (went_on.returncode, went_on.stdout.split(), points.fired()) == (0, ["0", "1"], [])


def test_a_point_calls_what_the_process_loaded() -> None:
    reached: list[str] = []
    react_with(reached.append)
    try:
        crash_point("entered", "credit.awarded")
    finally:
        react_with(None)
    assert reached == ["entered.credit.awarded"]


def test_every_point_that_is_known_here_is_in_the_code_and_the_other_way_round() -> None:
    calls = []
    for folder in ("api", "activities"):
        for module in (ROOT / folder).rglob("*.py"):
            calls += re.findall(r'crash_point\("([^"]+)"(, [\w.]+)?\)', module.read_text())
    whole = {name for name, rest in calls if not rest}
    beginnings = {name for name, rest in calls if rest}
    assert whole == {name for name in POINTS if name.partition(".")[0] not in beginnings}
    assert beginnings == {"entered", "committed"}
