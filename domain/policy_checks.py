"""What makes a policy fit to be published, beyond having the right fields.

A mistake found here costs its author a minute; found later, it costs every learner whose claim is judged by it.
"""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from functools import cache
from zoneinfo import available_timezones

from domain import designation_checks, names, requirement_checks, session_checks
from domain.identifiers import IDENTIFIERS
from domain.policy import CEActivityPolicy
from domain.policy_problems import (
    Path,
    PolicyProblem,
    between,
    day,
    entries,
    picture_name,
    typed_code,
    unique,
    web_address,
)

__all__ = ["PROFILE_FIELDS", "Path", "PolicyProblem", "problems_with"]

PROFILE_FIELDS = ("given_name", "family_name", "credentials", "profession", *IDENTIFIERS)
"""What a CE activity may require of a learner's profile."""

_LINE_LENGTH = 300
# Longer texts, by the class and the field that hold them.
_TEXT_LENGTHS = {
    "CEActivityPolicy.description": 4000,
    "CreditOffer.designation_statement": 2000,
    "DisclosurePage.text": 20_000,
    "EvaluationQuestion.text": 2000,
    "Finalization.warning": 2000,
    "Provider.accreditation_statement": 2000,
    "TestQuestion.rationale": 2000,
    "TestQuestion.text": 2000,
}


def problems_with(policy: CEActivityPolicy) -> tuple[PolicyProblem, ...]:
    """Everything that keeps this policy from being published; empty when nothing does."""
    return (
        *_texts(policy, (), _LINE_LENGTH),
        *_general(policy),
        *_window(policy),
        *_certificate(policy),
        *requirement_checks.requirement_problems(policy),
        *session_checks.session_problems(policy),
        *designation_checks.credit_problems(policy),
    )


def _texts(value: object, path: Path, limit: int) -> Iterator[PolicyProblem]:
    """Every text is printable, not blank, and of a length that its reader can take in."""
    if isinstance(value, str):
        try:
            is_blank = not names.clean_text(value, limit)
        except ValueError as error:
            is_too_long = str(error) == "text_too_long"
            limits = f"is at most {limit} characters long" if is_too_long else "has no control characters"
            yield PolicyProblem(path, limits)
        else:
            if is_blank:
                yield PolicyProblem(path, "is not blank; leave the field out if there is nothing to say")
    elif isinstance(value, tuple):
        for at, each in enumerate(value):
            yield from _texts(each, (*path, at), limit)
    elif is_dataclass(value):
        for field in fields(value):
            length = _TEXT_LENGTHS.get(f"{type(value).__name__}.{field.name}", _LINE_LENGTH)
            yield from _texts(getattr(value, field.name), (*path, field.name), length)


def _general(policy: CEActivityPolicy) -> Iterator[PolicyProblem]:
    if policy.time_zone not in _zones():
        yield PolicyProblem(("time_zone",), "is an IANA time zone, such as America/Chicago")
    yield from day(("starts_on",), policy.starts_on)
    yield from day(("ends_on",), policy.ends_on)
    if policy.ends_on < policy.starts_on:
        yield PolicyProblem(("ends_on",), "is not before starts_on", (("starts_on",),))
    yield from web_address(("course_url",), policy.course_url)
    yield from web_address(("provider", "website"), policy.provider.website)
    yield from typed_code(("activity_code",), policy.activity_code)
    yield from unique(("profile_fields",), policy.profile_fields)
    for at, name in enumerate(policy.profile_fields):
        if name not in PROFILE_FIELDS:
            yield PolicyProblem(("profile_fields", at), f"is one of {', '.join(PROFILE_FIELDS)}")


def _window(policy: CEActivityPolicy) -> Iterator[PolicyProblem]:
    window, here = policy.claim_window, "claim_window"
    yield from day((here, "opens_on"), window.opens_on)
    yield from day((here, "closes_on"), window.closes_on)
    if window.opens_on is not None and window.closes_on is not None and window.closes_on < window.opens_on:
        yield PolicyProblem((here, "closes_on"), "is not before opens_on", ((here, "opens_on"),))
    if window.days is not None:
        yield from between((here, "days"), window.days, 1, 3660)
    yield from entries(("reminder_days",), policy.reminder_days, 0, 5)
    yield from unique(("reminder_days",), policy.reminder_days)
    for at, days in enumerate(policy.reminder_days):
        yield from between(("reminder_days", at), days, 1, 90)


def _certificate(policy: CEActivityPolicy) -> Iterator[PolicyProblem]:
    issue, here = policy.certificate, "certificate"
    reads: tuple[Path, ...] = ((here, "issued"),)
    for name, value in (("system", issue.system), ("url", issue.url)):
        if issue.is_here and value is not None:
            yield PolicyProblem((here, name), "belongs to a certificate that is issued elsewhere", reads)
        if not issue.is_here and value is None:
            yield PolicyProblem((here, name), "is needed where the certificate is issued elsewhere", reads)
    yield from web_address((here, "url"), issue.url)
    yield from picture_name(("provider", "logo"), policy.provider.logo)
    for at, signatory in enumerate(policy.signatories):
        yield from picture_name(("signatories", at, "signature"), signatory.signature)


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())
