"""What an operator reads in the Temporal UI: where a claim is, what it waits for, and what to do. No personal data."""

from typing import Final

from activities.contract import ClaimState
from domain.claims import Attention, Stage

_WAITS: Final = {
    Stage.VERIFYING_PARTICIPATION: "Waits for the learner to state how they took part.",
    Stage.AWAITING_TEST: "Waits for the learner to take the post-test.",
    Stage.GRADING: "An attempt is being graded; the result comes by itself.",
    Stage.AWAITING_EVALUATION: "Waits for the learner to complete the evaluation.",
    Stage.AWAITING_WINDOW: "All steps are done; the claim window is not open yet. It opens by itself.",
    Stage.READY_TO_CLAIM: "Waits for the learner to claim the credit.",
    Stage.AWARDING: "The credit is being awarded.",
    Stage.ISSUING: "Credit is awarded; the certificate and the e-mail are on their way.",
    Stage.COMPLETED: "Credit is awarded, the certificate is issued and the learner was told. Nothing to do.",
    Stage.EXPIRED: "The deadline passed before the credit was claimed. Staff can extend it: `extend_deadline`.",
    Stage.DENIED: "The last attempt at the post-test did not reach the passing score.",
    Stage.WITHDRAWN: "The claim was withdrawn.",
}
_REMEDIES: Final = {
    Attention.CERTIFICATE_FAILED: "The certificate could not be made. Repair the cause, then send `retry_step`.",
    Attention.EMAIL_FAILED: "The mail server did not take the e-mail. Repair it, then send `retry_step`.",
}


def explain(state: ClaimState) -> str:
    """The current details of a claim, as Markdown."""
    lines = [f"**{state.stage}** since {state.stage_since_at:%Y-%m-%d %H:%M} UTC", "", _WAITS[state.stage]]
    if state.attention is not None:
        lines += ["", f"**Needs attention: {state.attention}.** {_REMEDIES[state.attention]}"]
    if state.stage is Stage.GRADING and state.result_at is not None:
        lines += ["", f"Result at {state.result_at:%Y-%m-%d %H:%M:%S} UTC."]
    if state.stage is Stage.AWAITING_WINDOW and state.opens_at is not None:
        lines += ["", f"Opens at {state.opens_at:%Y-%m-%d %H:%M} UTC."]
    if state.due_at is not None:
        lines += ["", f"Deadline {state.due_at:%Y-%m-%d %H:%M} UTC."]
    return "\n".join(lines)
