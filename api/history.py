"""The audit trail of a claim as sentences that its learner, and staff, can read."""

import json
from collections.abc import Mapping
from typing import Any, Final

from api.problems import refusal_kind

_SYSTEM: Final = "laurel"

_WORDS: Final[Mapping[str, str]] = {
    "claim.opened": "The claim was opened.",
    "opening.accepted": "The claim was opened.",
    "participation.accepted": "Participation was proved.",
    "participation.verified": "A roster proved participation.",
    "statement.accepted": "The statement of credit was chosen.",
    "disclosures.accepted": "The disclosures were acknowledged.",
    "progress.accepted": "The learning platform reported progress.",
    "session.accepted": "The credit claimed for a session was saved.",
    "finalization.accepted": "The statement was made final.",
    "extension_request.accepted": "More time was asked for.",
    "extension_refusal.accepted": "More time was refused.",
    "correction.accepted": "The award was corrected.",
    "attempt.accepted": "An attempt at the post-test was started.",
    "answers.accepted": "The answers to the post-test were given.",
    "attempt.graded": "The post-test was graded.",
    "evaluation.accepted": "The evaluation was completed.",
    "window.opened": "Credit can be claimed from now on.",
    "credit.accepted": "Credit was claimed.",
    "credit.awarded": "The credit was awarded.",
    "certificate.issued": "The certificate was issued.",
    "email.sent": "The certificate was announced by e-mail.",
    "withdrawal.accepted": "The claim was withdrawn.",
    "extension.accepted": "The deadline was extended.",
    "retry.accepted": "A step that had stopped was tried again.",
    "claim.expired": "The deadline passed, and the claim was closed.",
    "claim.denied": "The claim was denied.",
    "claim.parked": "The claim waits for a member of staff.",
    "claim.continued": "The claim goes on.",
    "claim.moved": "The claim moved here from another account of the same person.",
    "award.merged": "The award counts no more: the same credit was awarded under another account of the same person.",
}
_STEPS: Final[Mapping[str, str]] = {
    "opening": "Opening the claim",
    "participation": "Proving participation",
    "statement": "Choosing the statement of credit",
    "disclosures": "Acknowledging the disclosures",
    "progress": "Recording progress",
    "session": "Claiming a session",
    "finalization": "Making the statement final",
    "extension_request": "Asking for more time",
    "extension_refusal": "Refusing more time",
    "correction": "Correcting the award",
    "attempt": "Starting an attempt",
    "answers": "Giving the answers",
    "evaluation": "Completing the evaluation",
    "credit": "Claiming credit",
    "withdrawal": "Withdrawing the claim",
    "extension": "Extending the deadline",
    "retry": "Trying a step again",
}


def entry_json(seq: int, body: bytes, reader: str) -> dict[str, Any]:
    """One entry of the audit trail; ``reader`` is the account that reads it, to whom its own acts are ``you``."""
    entry = json.loads(body)
    after = entry.get("after", {})
    actor = entry.get("actor", _SYSTEM)
    return {
        "seq": seq,
        "at": entry.get("at"),
        "event": entry["event"],
        "text": sentence(entry["event"], after),
        "actor": "you" if actor == reader else "system" if actor == _SYSTEM else "other",
        "reason": entry.get("reason"),
        "stage": after.get("stage"),
        "details": {name: value for name, value in after.items() if name != "stage"},
        "submission": entry.get("submission"),
        "request_id": entry.get("request_id"),
    }


def sentence(event: str, after: Mapping[str, Any]) -> str:
    """What an event means, with the result or the reason that belongs to it."""
    subject, _, what = event.rpartition(".")
    if what == "refused":
        kind = refusal_kind(str(after.get("refusal")))
        return f"{_STEPS.get(subject, 'A step')} was refused: {kind.title[0].lower()}{kind.title[1:]}."
    words = _WORDS.get(event, f"{event.replace('.', ': ').replace('_', ' ').capitalize()}.")
    if event == "attempt.graded" and "correct" in after:
        result = "passed" if after.get("has_passed") else "not passed"
        return f"{words} {after['correct']} of {after.get('total')} answers are right: {result}."
    if event == "credit.awarded" and "units" in after:
        return f"{words[:-1]}: {after['units']}."
    return words
