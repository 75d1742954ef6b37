"""What operators see in the Temporal UI: where a claim or a correction is, what it waits for, and what to do.

No personal data.
"""

from datetime import datetime
from typing import Any, Final

from temporalio.common import SearchAttributeUpdate, TypedSearchAttributes

from activities.contract import ClaimState, CorrectionStatus, Hold
from domain.claims import Attention, Stage
from domain.corrections import CorrectionState
from workflows.contract import CLAIM_ATTENTION, CLAIM_DUE_AT, CLAIM_STAGE, CLAIM_STAGE_SINCE

_WAITS: Final = {
    Stage.VERIFYING_PARTICIPATION: "Waits for the learner to state how they took part.",
    Stage.AWAITING_STATEMENT: "Waits for the learner to choose a statement of credit.",
    Stage.AWAITING_DISCLOSURES: "Waits for the learner to read and acknowledge the disclosures.",
    Stage.AWAITING_CONTENT: "Waits for the learning platform to report that the content is complete.",
    Stage.AWAITING_TEST: "Waits for the learner to take the post-test.",
    Stage.GRADING: "An attempt is being graded; the result comes by itself.",
    Stage.AWAITING_EVALUATION: "Waits for the learner to complete the evaluation.",
    Stage.AWAITING_WINDOW: "All steps are done; the claim window is not open yet. It opens by itself.",
    Stage.READY_TO_CLAIM: "Waits for the learner to claim the credit.",
    Stage.AWAITING_FINALIZATION: "Waits for the learner to make the statement final; sessions may still be changed.",
    Stage.AWARDING: "Credit is awarded; the e-mail is on its way. Another system issues the certificate.",
    Stage.ISSUING: "Credit is awarded; the certificate and the e-mail are on their way.",
    Stage.COMPLETED: "Credit is awarded, the certificate is issued and the learner was told. Nothing to do.",
    Stage.EXPIRED: "The deadline passed before the credit was claimed. An extension by staff opens it again.",
    Stage.DENIED: "The last attempt at the post-test did not reach the passing score, or staff denied the claim.",
    Stage.WITHDRAWN: "The claim was withdrawn.",
}
_REMEDIES: Final = {
    Attention.CERTIFICATE_FAILED: "The certificate could not be made. Repair the cause, then send `retry_step`.",
    Attention.EMAIL_FAILED: "The mail server did not take the e-mail. Repair it, then send `retry_step`; or tell the "
    "learner yourself, then send `resolve_step`.",
    Attention.ON_HOLD: "The office holds the claim; steps are kept, the deadline waits. To go on, send `release_hold`.",
    Attention.ISSUANCE_PAUSED: "The office has paused issuance; all steps are kept. It goes on by itself when "
    "somebody lifts the pause: `laurel issuance resume`.",
}

_CORRECTIONS: Final = {
    CorrectionState.AWAITING_APPROVAL: "Waits for a second person to approve or decline it in the staff API.",
    CorrectionState.APPROVED: "Is about to be made in the record.",
    CorrectionState.APPLIED: "Is in the record; the new certificate and the e-mail are on their way.",
    CorrectionState.COMPLETED: "Is in the record, and the learner is told. Nothing to do.",
    CorrectionState.REFUSED: "Could not be made; the correction's outcome in the staff API says why.",
    CorrectionState.DECLINED: "A second person declined it; nothing was changed.",
    CorrectionState.RESOLVED: "Was parked, and the office ended it as it was. The claim's history says who and why.",
}
_CORRECTION_REMEDIES: Final = {
    Attention.CERTIFICATE_FAILED: "The new certificate could not be made. Repair the cause, then send `retry_step`; or "
    "end this correction with `resolve_step`, then correct or reissue once more.",
    Attention.EMAIL_FAILED: "The mail server did not take the e-mail. Repair it, then send `retry_step`; or tell the "
    "learner yourself, then send `resolve_step`.",
    Attention.ISSUANCE_PAUSED: "The office has paused issuance. It goes on by itself when somebody lifts the pause; to "
    "revoke the credit meanwhile, end this correction with `resolve_step` first.",
}


def explain(state: ClaimState, since: datetime | None) -> str:
    """The current details of a claim, as Markdown. ``since`` is when its stage began; all times are shown in UTC."""
    lines = [f"**{state.stage}** since {_time(since)}" if since else f"**{state.stage}**", "", _WAITS[state.stage]]
    attention = state.attention_code
    if attention is not None:
        lines += ["", f"**Needs attention: {attention}.** {_REMEDIES[attention]}"]
    if isinstance(state.attention, Hold):
        hold = state.attention
        lines += ["", f"Held by `{hold.by}` since {_time(hold.since)}: `{hold.reason_code}`."]
    if state.wakes_at is not None:
        lines += ["", f"Goes on by itself at {_time(state.wakes_at)}."]
    if state.reminds_at is not None:
        lines += ["", f"The learner is reminded at {_time(state.reminds_at)}."]
    if state.due_at is not None:
        lines += ["", f"Deadline {_time(state.due_at)}."]
    return "\n".join(lines)


def explain_correction(status: CorrectionStatus) -> str:
    """The current details of a correction, as Markdown."""
    lines = [f"**{status.state}**", "", _CORRECTIONS[status.state], "", f"Of the claim `{status.claim_id}`."]
    if status.attention is not None:
        lines += ["", f"**Needs attention: {status.attention}.** {_CORRECTION_REMEDIES[status.attention]}"]
    return "\n".join(lines)


def changed_attributes(
    state: ClaimState, shown: TypedSearchAttributes, now: datetime
) -> list[SearchAttributeUpdate[Any]]:
    """What of a claim's search attributes, as they are shown, says something else than the record by now."""
    updates: list[SearchAttributeUpdate[Any]] = []
    if shown.get(CLAIM_STAGE) != state.stage:
        updates.append(CLAIM_STAGE.value_set(state.stage))
        updates.append(CLAIM_STAGE_SINCE.value_set(now))
    if shown.get(CLAIM_DUE_AT) != state.due_at and state.due_at is not None:
        updates.append(CLAIM_DUE_AT.value_set(state.due_at))
    if shown.get(CLAIM_ATTENTION) != state.attention_code:
        code = state.attention_code
        updates.append(CLAIM_ATTENTION.value_set(code) if code else CLAIM_ATTENTION.value_unset())
    return updates


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
