"""``laurel claims hold``, ``release``, ``extend`` ...: what the office does to claims, by the rules of the API.

One claim's act is handed in and waited for like a request's. Many claims, by a filter, are previewed and then acted on
once, with the same machinery as the office's page: Ctrl-C ends the watching, and not what was started.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from cli.errors import StackError
from domain.office import OperatorAction

if TYPE_CHECKING:
    from api.acting import Step
    from api.v1.bulk import BulkRequest
    from cli.office import Office

# ruff: noqa: PLC0415

_HELP: Final[Mapping[OperatorAction, str]] = {
    OperatorAction.EXTEND: "Move the deadline to the end of a local day; an expired claim goes on.",
    OperatorAction.REFUSE_EXTENSION: "Answer a request for more time with no; the learner is told by e-mail.",
    OperatorAction.HOLD: "Keep what the learner does undecided, and the deadline from ending the claim.",
    OperatorAction.RELEASE: "End a hold: what was kept is decided as of its receipt.",
    OperatorAction.WAIVE: "Ask nothing more for one requirement.",
    OperatorAction.RETRY: "Try the step again for which a claim, or a correction by its own id, is parked.",
    OperatorAction.RESOLVE: "Complete a claim whose e-mail could not be sent, because its learner was told otherwise.",
    OperatorAction.WITHDRAW: "End a claim for its learner, as long as no credit is awarded.",
    OperatorAction.DENY: "End a claim against its learner's will, as long as no credit is awarded.",
    OperatorAction.REOPEN: "Let a claim go on that was denied, expired or withdrawn.",
}
_PATIENCE_SECONDS: Final = 20.0
_LOOK_SECONDS: Final = 0.5
_REFUSED, _UNDECIDED = 1, 2

Claims = Annotated[list[str] | None, typer.Argument(help="The claims' ids.", show_default=False)]
Why = Annotated[str, typer.Option("--reason", help="Why, in words; kept in the office.")]
ReasonCode = Annotated[str | None, typer.Option("--reason-code", help="Why, as a code: laurel claims show lists them.")]
DueOn = Annotated[str | None, typer.Option("--due-on", help="The new last day, such as 2027-01-31.")]
Requirement = Annotated[str | None, typer.Option("--requirement", help="What is waived, such as evaluation.")]
Filters = Annotated[
    list[str] | None,
    typer.Option(
        "--filter",
        help="NAME=VALUE, repeated: stage, attention, ce_activity, provider, due_before, is_extension_requested, "
        "opened_from, opened_until, learner. Instead of ids.",
    ),
]
Preview = Annotated[bool, typer.Option("--preview", help="Only say how many would be acted on, and how many refuse.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask before acting on what a filter means.")]
DataDir = Annotated[Path | None, typer.Option(help="The data folder of the stack whose claims are meant.")]


def add_to(app: typer.Typer) -> None:
    """Add a command for each action of the office."""
    for action in OperatorAction:
        app.command(name=action.replace("_", "-"), help=_HELP[action])(_command(action))


def _command(action: OperatorAction) -> Callable[..., None]:
    def command(
        claims: Claims = None,
        *,
        reason: Why,
        reason_code: ReasonCode = None,
        due_on: DueOn = None,
        requirement: Requirement = None,
        filters: Filters = None,
        preview: Preview = False,
        yes: Yes = False,
        data_dir: DataDir = None,
    ) -> None:
        words = {"reason": reason, "reason_code": reason_code, "due_on": due_on, "requirement": requirement}
        asked = _asked(action, words, claims or [], filters or [])
        is_each = asked.filter is None and not preview
        ending = Ending.NOTHING if preview else Ending.ACTION if yes else Ending.QUESTION
        raise typer.Exit(_run(partial(_each, asked) if is_each else partial(_many, asked, ending), data_dir))

    return command


class Ending(StrEnum):
    """What comes after the preview of a filter's claims."""

    NOTHING = "nothing"
    QUESTION = "question"
    ACTION = "action"


def _run(act: "Callable[[Office], Any]", data_dir: Path | None) -> int:
    from api.problems import ProblemError
    from cli.main import mendable, with_quiet_end
    from cli.office import office

    async def work() -> int:
        async with office(data_dir) as desk:
            code: int = await act(desk)
            return code

    with mendable():
        try:
            return asyncio.run(with_quiet_end(work()))
        except ProblemError as problem:
            raise StackError(_sentence(problem.code, problem.kind.title, problem.detail)) from None


def _asked(
    action: OperatorAction, words: Mapping[str, str | None], claims: Sequence[str], filters: Sequence[str]
) -> "BulkRequest":
    """What is asked for, checked as the API checks it; a ``StackError`` names what is wrong."""
    from pydantic import ValidationError

    from api.problems import ProblemError
    from api.v1.bulk import BulkRequest

    if bool(claims) is bool(filters):
        raise StackError("name claims, or say with --filter which are meant")
    meant: dict[str, Any] = {"claim_ids": list(claims)} if claims else {"filter": _filter(filters)}
    try:
        asked = BulkRequest(action=action, preview=True, **words, **meant)  # type: ignore[arg-type]  # checked by itself
        asked.body()
    except ValidationError as error:
        wrong = [(".".join(str(each) for each in one["loc"]), one["msg"]) for one in error.errors()]
        raise StackError("; ".join(f"{_option(name)}: {message}" for name, message in wrong)) from None
    except ProblemError as problem:
        wrong = [(each.pointer.strip("/"), each.code) for each in problem.errors]
        raise StackError("; ".join(f"{_option(name)}: {code}{_codes(action, name)}" for name, code in wrong)) from None
    return asked


def _filter(filters: Sequence[str]) -> dict[str, str]:
    pairs = dict(each.partition("=")[::2] for each in filters)
    if not all(pairs.values()) or len(pairs) < len(filters):
        raise StackError("--filter takes NAME=VALUE, each name once")
    return pairs


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}" if "." not in name else f"--filter {name.partition('.')[2]}"


def _codes(action: OperatorAction, name: str) -> str:
    from domain.office import KIND_OF_ACTION
    from domain.submissions import REASONS

    reasons = REASONS.get(KIND_OF_ACTION[action])
    return f" (one of {', '.join(reasons)})" if name == "reason_code" and reasons else ""


async def _each(asked: "BulkRequest", desk: "Office") -> int:
    """Act on each of the claims that are named, one after the other, and say what became of it."""
    from api.acting import Sender, bar_of, hand_in
    from api.gateway import Patience
    from api.problems import PROBLEMS
    from cli.actor import cli_actor
    from cli.claim_details import find
    from domain.identities import is_id, new_id

    codes = set()
    for claim_id in asked.claim_ids or ():
        if asked.action is OperatorAction.RETRY and is_id(claim_id, "cor"):
            code, line = await _retry_correction(asked, desk, claim_id)
            print(f"{claim_id}: {line}", flush=True)
            codes.add(code)
            continue
        view = await find(desk, claim_id)
        if bar := bar_of(view, asked.action, None):
            print(f"{claim_id}: refused {_sentence(bar, PROBLEMS[bar].title, PROBLEMS[bar].detail)}", flush=True)
            codes.add(_REFUSED)
            continue
        sender = Sender(cli_actor(), new_id("req"), None, Patience(_PATIENCE_SECONDS))
        code, line = _outcome(await hand_in(desk, view, asked.body(), sender))
        print(f"{claim_id}: {line}", flush=True)
        codes.add(code)
    return min(codes - {0}, default=0)


async def _retry_correction(asked: "BulkRequest", desk: "Office", correction_id: str) -> tuple[int, str]:
    """Let a parked correction go on; it is entered only if Temporal takes it."""
    from sqlalchemy.ext.asyncio import AsyncConnection

    from cli.actor import cli_actor
    from domain.submissions import StepRetried
    from storage import correction_retries
    from storage.acts import Actor

    body = asked.body()
    assert isinstance(body, StepRetried)  # noqa: S101  # the action says so

    async def retry(connection: AsyncConnection) -> bool:
        actor = Actor(cli_actor())
        is_parked = await connection.run_sync(correction_retries.go_on, correction_id, actor, body)
        if is_parked and not await desk.gateway.retry_correction(correction_id, actor.id, body.reason_code):
            raise StackError(f"{correction_id}: nothing was changed, because Temporal does not answer")
        return is_parked

    if not await desk.database.transaction(retry):
        return _REFUSED, "refused: there is no such correction that is parked at its certificate or its e-mail"
    return 0, "accepted, tries again now"


def _outcome(step: "Step") -> tuple[int, str]:
    from api.problems import refusal_kind

    submission, claim = step.submission, step.claim
    if submission.outcome is None:
        return _UNDECIDED, "recorded and not decided yet; it is decided by itself as soon as Temporal and workers run"
    if submission.refusal is not None:
        kind = refusal_kind(submission.refusal)
        details = "".join(f"; {name}: {value}" for name, value in submission.details.items())
        return _REFUSED, f"refused {_sentence(submission.refusal, kind.title, kind.detail)}{details}"
    now = f"{claim.stage}{f', {claim.attention}' if claim.attention else ''}" if claim else "gone"
    return 0, f"accepted, now {now}"


def _sentence(code: str, title: str, detail: str) -> str:
    return f"({code}): {title}. {detail}"


async def _many(asked: "BulkRequest", ending: Ending, desk: "Office") -> int:
    """Preview what is meant; then act on it, if that is wanted, and say how far it has come until it is done."""
    from sqlalchemy.ext.asyncio import AsyncConnection

    from api.v1.bulk import Judge, previewed
    from cli.actor import cli_actor
    from domain.identities import new_id
    from domain.submissions import to_json
    from storage import bulk_actions
    from storage.acts import Actor
    from storage.bulk_actions import BulkAction

    actor = Actor(cli_actor(), new_id("req"))
    bulk = BulkAction(
        id=new_id("blk"), actor=actor.id, action=asked.action, body=to_json(asked.body()), filter=asked.meant()
    )

    async def preview(connection: AsyncConnection) -> Mapping[str, Any]:
        return await previewed(connection, asked, bulk, Judge(desk.policies, None))

    async def start(connection: AsyncConnection) -> None:
        await connection.run_sync(bulk_actions.start, bulk, None, actor)

    found = await desk.database.transaction(preview)
    print(f"{found['count']} claims are meant; {asked.action} is possible for {found['possible']}", flush=True)
    _print_counts("would refuse", found["refused"])
    if ending is Ending.NOTHING or not found["possible"]:
        return 0
    if ending is Ending.QUESTION:
        typer.confirm("Go on?", abort=True)
    await desk.database.transaction(start)
    return await _watch(desk, bulk.id)


async def _watch(desk: "Office", bulk_id: str) -> int:
    """Say how far a bulk action has come until nothing is left."""
    from api.v1.bulk import progress_json
    from storage import bulk_actions

    said = None
    while True:
        progress = progress_json(await desk.database.statements(lambda c: bulk_actions.outcomes(c, bulk_id)))
        refused, skipped = (sum(each["count"] for each in progress[name]) for name in ("refused", "skipped"))
        line = f"{progress['done']} done, {refused} refused, {skipped} skipped, {progress['left']} left"
        if line != said:
            print(line, flush=True)
        if not progress["left"]:
            _print_counts("refused", progress["refused"])
            _print_counts("skipped", progress["skipped"])
            return _REFUSED if refused else 0
        said = line
        await asyncio.sleep(_LOOK_SECONDS)


def _print_counts(what: str, counts: Sequence[Mapping[str, Any]]) -> None:
    for each in counts:
        print(f"  {what}: {each['count']} ({each['code']}), such as {each['claims'][0]}", flush=True)
