"""What makes the sessions of a meeting, and the minutes of content, fit the credit that is designated for them."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from math import ceil

from domain import credit
from domain.policy import CEActivityPolicy, Session
from domain.policy_problems import Path, PolicyProblem, codes, entries
from domain.requirement_checks import kinds_read

MAXIMUM_SESSIONS = 500

_STEP = Decimal("0.25")


def session_problems(policy: CEActivityPolicy) -> Iterator[PolicyProblem]:
    """Everything that is wrong with the sessions, and with designating more than can be claimed."""
    yield from entries(("sessions",), policy.sessions, 0, MAXIMUM_SESSIONS)
    yield from codes(("sessions",), [session.code for session in policy.sessions])
    rules, rules_read = tuple(dict.fromkeys(_rules_by_offer(policy).values())), _rules_read(policy)
    for at, session in enumerate(policy.sessions):
        path: Path = ("sessions", at)
        if not policy.starts_on <= session.held_on <= policy.ends_on:
            reads: tuple[Path, ...] = (("starts_on",), ("ends_on",))
            yield PolicyProblem((*path, "held_on"), "is from starts_on to ends_on of the CE activity", reads)
        if session.ends_at <= session.starts_at:
            message = "is after starts_at; what goes on past midnight is two sessions"
            yield PolicyProblem((*path, "ends_at"), message, ((*path, "starts_at"),))
        else:
            yield from _maximum(path, session, rules, rules_read)
    yield from _designated_for_sessions(policy)
    yield from _designated_for_content(policy)


def most_without_overlap(sessions: Sequence[Session]) -> Decimal:
    """The most units that one learner can claim for sessions that do not overlap (R-AMA-10).

    Weighted interval scheduling: session by session in the order of their ends, with it or without it.
    """
    ordered = sorted(sessions, key=_end)
    ends = [_end(session) for session in ordered]
    best = [Decimal(0)]
    for at, session in enumerate(ordered):
        start = datetime.combine(session.held_on, session.starts_at)
        before = bisect_right(ends, start, hi=at)
        best.append(max(best[-1], best[before] + session.maximum_units))
    return best[-1]


def _end(session: Session) -> datetime:
    return datetime.combine(session.held_on, session.ends_at)


def _rules_by_offer(policy: CEActivityPolicy) -> dict[int, credit.CreditRule]:
    """The rule of each offer that names a known one, by the offer's place."""
    rules = {}
    for at, offer in enumerate(policy.credit):
        try:
            rules[at] = credit.rule_of(offer)
        except credit.UnknownCreditTypeError:
            continue
    return rules


def _rules_read(policy: CEActivityPolicy) -> tuple[Path, ...]:
    return tuple(("credit", at, name) for at in range(len(policy.credit)) for name in ("credit_type", "rule_version"))


def _maximum(
    path: Path, session: Session, rules: Sequence[credit.CreditRule], rules_read: tuple[Path, ...]
) -> Iterator[PolicyProblem]:
    """A session is worth whole steps, and no more than its length earns when it is rounded up."""
    here = (*path, "maximum_units")
    steps = sorted({_STEP, *(rule.increment for rule in rules)})
    if session.maximum_units <= 0 or all(session.maximum_units % step for step in steps):
        message = f"is a positive multiple of {' or '.join(str(step) for step in steps)}"
        yield PolicyProblem(here, message, rules_read)
    lasts = _end(session) - datetime.combine(session.held_on, session.starts_at)
    minutes = lasts // timedelta(minutes=1)
    most = max((_rounded_up(rule, minutes) for rule in rules), default=session.maximum_units)
    if session.maximum_units > most:
        reads = ((*path, "starts_at"), (*path, "ends_at"), *rules_read)
        yield PolicyProblem(here, f"is at most {most}: the session lasts {minutes} minutes", reads)


def _rounded_up(rule: credit.CreditRule, minutes: int) -> Decimal:
    """What minutes earn when a step that was begun counts as a whole one."""
    return ceil(minutes / (rule.minutes_per_unit * rule.increment)) * rule.increment


def _designated_for_sessions(policy: CEActivityPolicy) -> Iterator[PolicyProblem]:
    """Nobody can claim a designated maximum that exceeds what the sessions add up to."""
    if not policy.sessions:
        return
    most = most_without_overlap(policy.sessions)
    fields = ("held_on", "starts_at", "ends_at", "maximum_units")
    for at, offer in enumerate(policy.credit):
        if offer.designated_units > most:
            message = f"is at most {most}: sessions that do not overlap add up to no more"
            reads = tuple(("sessions", number, name) for number in range(len(policy.sessions)) for name in fields)
            yield PolicyProblem(("credit", at, "designated_units"), message, reads)


def _designated_for_content(policy: CEActivityPolicy) -> Iterator[PolicyProblem]:
    """Nobody can claim a designated maximum that exceeds what all content earns, where its minutes decide."""
    content = policy.content
    if content is None or not content.allows_partial:
        return
    minutes = sum(item.minutes for item in content.items)
    for at, rule in _rules_by_offer(policy).items():
        most = _rounded_up(rule, minutes)
        if policy.credit[at].designated_units > most:
            message = f"is at most {most}: the content takes {minutes} minutes"
            reads = (*kinds_read(policy), ("requirements", policy.requirements.index(content)), *_rules_read(policy))
            yield PolicyProblem(("credit", at, "designated_units"), message, reads)
