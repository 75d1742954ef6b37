"""One claim as an operator asks about it: where it is, since when, what it waits for or fails at, and what frees it."""

from collections.abc import Iterator
from datetime import UTC, datetime

from api.stuck_words import STUCK_WORDS, error_words
from cli.errors import StackError
from cli.office import Office
from domain.claims import CLOSED_STAGES, Attention, Stage
from domain.identities import is_id
from domain.office import KIND_OF_ACTION, OperatorAction, possible_actions, waivable
from domain.policy import CEActivityPolicy
from domain.stuck import SELF_RETRY, TRIES_ITSELF, PendingStep, StuckReason
from domain.submissions import REASONS
from storage import corrections, intake, queries, stuck
from storage.corrections import Correction
from storage.queries import ClaimView


async def described(desk: Office, claim_id: str) -> list[str]:
    """The claim in lines to print. Raises ``StackError`` when there is none with this id."""
    view = await find(desk, claim_id)
    policy = await desk.policies.get(view.version_id)
    workflow_id = desk.gateway.workflow_id(view.id)
    last = await desk.database.statements(lambda c: intake.submissions_of_claim(c, view.id, None, 20))
    undecided = [each.view for each in last if each.view.decided_at is None]
    parked = (await desk.database.statements(lambda c: stuck.parked_among(c, [view.id]))).get(view.id)
    pending = (await desk.gateway.pending_steps([view.id])).get(view.id)
    newest = await desk.database.statements(lambda c: corrections.listed(c, claim_id=view.id, limit=1))
    lines = [
        f"{view.id} for {view.ce_activity}",
        f"  stage         {view.stage} since {_time(view.stage_since_at)}",
        *_attention(view, parked),
        *(f"  correction    {_parked(each)}" for each in newest if each.attention is not None),
        *([f"  trying        {_pending(pending)}"] if pending else []),
        *(f"  undecided     {each.kind}, received {_time(each.received_at)}" for each in undecided),
    ]
    if view.facts.due_at is not None and view.stage not in CLOSED_STAGES:
        lines.append(f"  deadline      {_time(view.facts.due_at)}")
    lines.append(f"  workflow      {desk.gateway.workflow_url(workflow_id, desk.temporal_ui_url)}")
    return [*lines, *_possible(view, policy)]


async def find(desk: Office, claim_id: str) -> ClaimView:
    """A claim; a ``StackError`` when there is none with this id."""
    view = await desk.database.statements(lambda c: queries.claim(c, claim_id)) if is_id(claim_id, "clm") else None
    if view is None:
        raise StackError(f"{claim_id}: there is no such claim")
    return view


def _attention(view: ClaimView, parked: stuck.Parked | None) -> Iterator[str]:
    """What the claim waits for a person for, the error, and when it tries itself again."""
    if view.attention is None:
        return
    reason = StuckReason(view.attention)
    yield f"  waits for you {STUCK_WORDS[reason].title} ({reason})"
    if view.hold is not None:
        yield f"  held          by {view.hold.by} since {_time(view.hold.since)}: {view.hold.reason_code}"
    elif parked is not None:
        if parked.error is not None:
            yield f"  last error    {error_words(parked.error)} ({parked.error})"
        if reason in TRIES_ITSELF:
            yield f"  next try      {_time(parked.at + SELF_RETRY)}, by itself"
    yield f"  what to do    {STUCK_WORDS[reason].suggestion}"


def _parked(correction: Correction) -> str:
    """What the claim's correction is parked for, and what frees it."""
    parked = f"{correction.id} is parked: {correction.attention}"
    if correction.attention is Attention.ISSUANCE_PAUSED:
        return f"{parked}; it goes on by itself after the pause"
    return f"{parked}; laurel claims retry {correction.id} --reason ..."


def _pending(pending: PendingStep) -> str:
    facts = [pending.step, f"{pending.tries} {'try' if pending.tries == 1 else 'tries'}"]
    if pending.next_try_at is not None:
        facts.append(f"next {_time(pending.next_try_at)}")
    if pending.error is not None:
        facts.append(f"last error: {error_words(pending.error)} ({pending.error})")
    return ", ".join(facts)


def _possible(view: ClaimView, policy: CEActivityPolicy) -> Iterator[str]:
    """What may be done now, with the codes to choose from."""
    actions = () if view.is_pending else possible_actions(policy, view.facts, view.read_at)
    for number, action in enumerate(each for each in actions if _is_open(each, view)):
        reasons = REASONS.get(KIND_OF_ACTION[action])
        codes = f" --reason-code {'|'.join(reasons)}" if reasons else ""
        more = f" --requirement {'|'.join(waivable(policy, view.facts))}" if action is OperatorAction.WAIVE else ""
        day = " --due-on DAY" if action is OperatorAction.EXTEND or _needs_day(action, view) else ""
        heading = "possible now" if number == 0 else " " * len("possible now")
        yield f"  {heading}  laurel claims {action.replace('_', '-')}{codes}{more}{day} --reason ..."


def _is_open(action: OperatorAction, view: ClaimView) -> bool:
    return not (action is OperatorAction.REOPEN and view.is_purged)


def _needs_day(action: OperatorAction, view: ClaimView) -> bool:
    due_at = view.facts.due_at
    is_late = view.stage == Stage.EXPIRED or (due_at is not None and due_at < view.read_at)
    return action is OperatorAction.REOPEN and is_late


def _time(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
