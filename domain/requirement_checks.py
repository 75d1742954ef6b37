"""What makes the requirements of a policy fit to be published, each by itself and all of them together."""

import re
from collections.abc import Iterator, Sequence

from domain.policy import (
    CEActivityPolicy,
    Content,
    Disclosures,
    Evaluation,
    EvaluationQuestion,
    EvaluationTime,
    Finalization,
    LearningFormat,
    Participation,
    ParticipationMethod,
    PostTest,
    QuestionKind,
    Requirement,
)
from domain.policy_problems import Path, PolicyProblem, between, codes, entries, typed_code, unique, web_address

_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}")


def requirement_problems(policy: CEActivityPolicy) -> Iterator[PolicyProblem]:
    """Everything that is wrong with what learners must do, and with the learning formats it is limited to."""
    yield from _kinds(policy.requirements)
    for at, requirement in enumerate(policy.requirements):
        path: Path = ("requirements", at)
        match requirement:
            case Participation():
                yield from _participation(path, requirement)
            case Disclosures():
                yield from _disclosures(path, requirement)
            case Content():
                yield from _content(path, requirement)
            case PostTest():
                yield from _post_test(path, requirement)
            case Evaluation():
                yield from _evaluation(path, requirement, has_sessions=bool(policy.sessions))
            case _:
                pass
    yield from _formats(policy)


def kinds_read(policy: CEActivityPolicy) -> tuple[Path, ...]:
    """What a judgement rests on that there is, or is not, a requirement of some kind: all kinds, and the list's end."""
    return tuple(("requirements", at, "kind") for at in range(len(policy.requirements) + 1))


def reachable_formats(policy: CEActivityPolicy) -> tuple[LearningFormat, ...]:
    """The learning formats in which learners can take part: the CE activity's, and those of its options."""
    options = policy.participation.options if policy.participation else ()
    return tuple(dict.fromkeys([policy.format, *(option.format for option in options if option.format)]))


def reachable_formats_read(policy: CEActivityPolicy) -> tuple[Path, ...]:
    """What ``reachable_formats`` reads."""
    return (("format",), *kinds_read(policy), *fields_of(policy, Participation, "options"))


def fields_of(policy: CEActivityPolicy, kind: type[Requirement], name: str) -> tuple[Path, ...]:
    """Where a field of the requirements of one kind stands."""
    requirements = enumerate(policy.requirements)
    return tuple(("requirements", at, name) for at, requirement in requirements if isinstance(requirement, kind))


def _kinds(requirements: Sequence[Requirement]) -> Iterator[PolicyProblem]:
    """Each kind once, but one evaluation of the whole and one of each session; making final comes last."""
    places: dict[object, int] = {}
    for at, requirement in enumerate(requirements):
        is_per_session = isinstance(requirement, Evaluation) and requirement.asked is EvaluationTime.PER_SESSION
        earlier = places.setdefault((requirement.kind, is_per_session), at)
        path: Path = ("requirements", at, "kind")
        if earlier < at:
            reads = tuple(("requirements", place, name) for place in (earlier, at) for name in ("kind", "asked"))
            is_evaluation = isinstance(requirement, Evaluation)
            message = "is used once only; another evaluation may be asked per_session, and one not"
            yield PolicyProblem(path, message if is_evaluation else "is used once only", reads)
        if isinstance(requirement, Finalization) and at < len(requirements) - 1:
            yield PolicyProblem(path, "is the last requirement: nothing can be added to what is final")


def _participation(path: Path, participation: Participation) -> Iterator[PolicyProblem]:
    methods, reads = participation.methods, ((*path, "methods"),)
    if not methods:
        yield PolicyProblem(*reads, f"names at least one of {', '.join(ParticipationMethod)}")
    yield from unique((*path, "methods"), methods)
    if ParticipationMethod.ATTESTATION in methods:
        if not participation.options:
            yield PolicyProblem((*path, "options"), "has 1 to 50 entries, from which the learner chooses", reads)
    elif participation.options:
        message = "belongs to the method attestation; add it to methods, or leave the options out"
        yield PolicyProblem((*path, "options"), message, reads)
    yield from entries((*path, "options"), participation.options, 0, 50)
    yield from codes((*path, "options"), [option.code for option in participation.options])
    if ParticipationMethod.CODE in methods and participation.code is None:
        yield PolicyProblem((*path, "code"), "is needed for the method code: what the learner must know", reads)
    if ParticipationMethod.CODE not in methods and participation.code is not None:
        message = "belongs to the method code; add it to methods, or leave the code out"
        yield PolicyProblem((*path, "code"), message, reads)
    yield from typed_code((*path, "code"), participation.code)


def _disclosures(path: Path, disclosures: Disclosures) -> Iterator[PolicyProblem]:
    if not _VERSION.fullmatch(disclosures.version):
        yield PolicyProblem((*path, "version"), "is made of letters, digits, _ . and -, such as 2026-1")
    yield from entries((*path, "pages"), disclosures.pages, 1, 20)


def _content(path: Path, content: Content) -> Iterator[PolicyProblem]:
    here = (*path, "items")
    yield from entries(here, content.items, 1, 200)
    yield from codes(here, [item.code for item in content.items])
    for at, item in enumerate(content.items):
        yield from web_address((*here, at, "url"), item.url)
        yield from between((*here, at, "minutes"), item.minutes, 1, 6000)


def _post_test(path: Path, post_test: PostTest) -> Iterator[PolicyProblem]:
    yield from between((*path, "passing_percent"), post_test.passing_percent, 1, 100)
    yield from between((*path, "grading_seconds"), post_test.grading_seconds, 0, 3600)
    if post_test.attempts_allowed is not None:
        yield from between((*path, "attempts_allowed"), post_test.attempts_allowed, 1, 100)
    here = (*path, "questions")
    yield from entries(here, post_test.questions, 1, 200)
    yield from codes(here, [question.code for question in post_test.questions])
    for at, question in enumerate(post_test.questions):
        options = (*here, at, "options")
        yield from entries(options, question.options, 2, 50)
        yield from codes(options, [option.code for option in question.options])
        if question.correct not in [option.code for option in question.options]:
            yield PolicyProblem((*here, at, "correct"), "is the code of one of the question's options", (options,))


def _evaluation(path: Path, evaluation: Evaluation, *, has_sessions: bool) -> Iterator[PolicyProblem]:
    if evaluation.asked is EvaluationTime.PER_SESSION and not has_sessions:
        yield PolicyProblem(
            (*path, "asked"), "is per_session only where the CE activity has sessions", (("sessions",),)
        )
    here = (*path, "questions")
    yield from entries(here, evaluation.questions, 1, 200)
    yield from codes(here, [question.code for question in evaluation.questions])
    for at, question in enumerate(evaluation.questions):
        yield from _evaluation_question((*here, at), question)


def _evaluation_question(path: Path, question: EvaluationQuestion) -> Iterator[PolicyProblem]:
    options, reads = (*path, "options"), ((*path, "kind"),)
    if question.kind is QuestionKind.CHOICE:
        if not 2 <= len(question.options) <= 50:  # noqa: PLR2004 -- as for every other list of options
            yield PolicyProblem(options, "has 2 to 50 entries", reads)
    elif question.options:
        yield PolicyProblem(options, "belongs to questions of kind choice only", reads)
    yield from codes(options, [option.code for option in question.options])
    yield from between((*path, "scale_maximum"), question.scale_maximum, 2, 10)


def _formats(policy: CEActivityPolicy) -> Iterator[PolicyProblem]:
    """What is limited to learning formats names some in which learners can take part."""
    reachable, reads = reachable_formats(policy), reachable_formats_read(policy)
    for name, parts in (("requirements", policy.requirements), ("credit", policy.credit)):
        for at, part in enumerate(parts):
            here: Path = (name, at, "formats")
            formats: Sequence[LearningFormat] = getattr(part, "formats", ())
            yield from unique(here, formats)
            for number, each in enumerate(formats):
                if each not in reachable:
                    message = f"is a format in which learners take part here: {' or '.join(reachable)}"
                    yield PolicyProblem((*here, number), message, reads)
