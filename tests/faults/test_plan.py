"""What goes wrong in a run follows from its seed alone, and every kind of fault has its turn."""

from collections import Counter

from tests.faults.crash_points import POINTS
from tests.faults.installation import PARTS
from tests.faults.plan import Kind, plan
from tests.faults.post_office import Mood


def test_a_seed_makes_the_same_plan_again_and_another_seed_another() -> None:
    assert plan(7, 40) == plan(7, 40)
    assert plan(7, 40) != plan(8, 40)


def test_a_plan_has_as_many_kills_as_were_asked_for_and_another_fault_after_each() -> None:
    faults = plan(1, 21)
    assert [fault.kind is Kind.KILL for fault in faults] == [True, False] * 21


def test_the_shortest_run_has_every_kind_of_fault_and_kills_every_part_equally() -> None:
    faults = plan(3, 2 * len(PARTS))
    assert {fault.kind for fault in faults} == set(Kind)
    assert Counter(fault.target for fault in faults if fault.kind is Kind.KILL) == dict.fromkeys(PARTS, 2)


def test_no_part_is_killed_so_often_that_its_supervisor_gives_it_up() -> None:
    killed = [fault.target for fault in plan(5, 600) if fault.kind is Kind.KILL]
    rounds = [killed[start : start + len(PARTS)] for start in range(0, len(killed), len(PARTS))]
    assert all(sorted(each) == sorted(PARTS) for each in rounds)


def test_a_long_run_arms_every_crash_point_and_has_every_mood_of_a_mail_server() -> None:
    faults = plan(11, 600)
    assert {fault.target for fault in faults if fault.kind is Kind.CRASH_POINT} == set(POINTS)
    assert {fault.how for fault in faults if fault.kind is Kind.MAIL} == set(Mood)
