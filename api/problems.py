"""Problems as RFC 9457 documents: one table from code to status and words, and one way to answer with them.

A problem says what is wrong and what would be right. It never repeats what was sent.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from config.languages import gettext
from domain.refusals import RefusalCode

MEDIA_TYPE: Final = "application/problem+json"


@dataclass(frozen=True, slots=True)
class ProblemKind:
    """What a code stands for: the HTTP status, a short title, and a sentence that helps."""

    status: int
    title: str
    detail: str


@dataclass(frozen=True, slots=True)
class FieldError:
    """One wrong place in a request: a JSON pointer (or the name of a parameter) and a code."""

    pointer: str
    code: str
    message: str | None = None


class ProblemError(Exception):
    """Raised anywhere below a route; answered as a problem document (or as a page, to a browser)."""

    def __init__(
        self,
        code: str,
        *,
        detail: str | None = None,
        errors: Sequence[FieldError] = (),
        details: Mapping[str, Any] | None = None,
        next_actions: Sequence[Mapping[str, Any]] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.kind = PROBLEMS[code]
        self.detail = detail or self.kind.detail
        self.errors = tuple(errors)
        self.details = details
        self.next_actions = next_actions
        self.headers = dict(headers or {})


PROBLEMS: Final[Mapping[str, ProblemKind]] = {
    "json_invalid": ProblemKind(400, "The body is not valid JSON", "Send one JSON document in UTF-8."),
    "json_duplicate_key": ProblemKind(400, "A field is given twice", "Give each field of an object once."),
    "idempotency_key_invalid": ProblemKind(
        400, "The Idempotency-Key is not usable", "Send 1 to 255 visible ASCII characters."
    ),
    "request_invalid": ProblemKind(400, "The request cannot be read", "Check the request and send it again."),
    "not_signed_in": ProblemKind(401, "Not signed in", "Sign in, then send the access token as a bearer token."),
    "link_invalid": ProblemKind(
        401, "This sign-in link does not work", "The link was used before, or it is too old. Ask for a new one."
    ),
    "signature_invalid": ProblemKind(
        401, "The event is not signed", "Sign it as Standard Webhooks says, with a secret of this integration."
    ),
    "not_allowed": ProblemKind(403, "Not allowed", "Your account may not do this."),
    "own_claim": ProblemKind(403, "This is your own claim", "Another member of staff must do this."),
    "own_request": ProblemKind(403, "You asked for this", "Another member of staff must agree to it."),
    "learner_erased": ProblemKind(
        409, "This learner was erased", "Nothing about them is changed any more; what must be kept stays as it is."
    ),
    "own_account": ProblemKind(403, "This is your own account", "Another member of staff must do this."),
    "cross_site": ProblemKind(403, "Sent from another site", "Open the page here and send the form from it."),
    "not_found": ProblemKind(404, "Not found", "There is nothing here that you can see."),
    "method_not_allowed": ProblemKind(405, "Method not allowed", "This address does not take this method."),
    "body_too_large": ProblemKind(
        413,
        "The body is too large",
        "Send less: 64 KiB, 256 KiB for a definition, 1 MB for a picture, 20 MiB for a roster.",
    ),
    "content_type_unsupported": ProblemKind(
        415,
        "The content type is not supported",
        "Send JSON as application/json (a roster as text/csv, a picture as image/png or image/jpeg), not encoded.",
    ),
    "validation_failed": ProblemKind(422, "Some fields are not right", "Each entry of errors names one of them."),
    "definition_invalid": ProblemKind(
        422, "The definition has mistakes", "Each entry of errors names a line and a field."
    ),
    "definition_outdated": ProblemKind(
        409, "Somebody else changed it meanwhile", "Read the current definition, and make your change in that."
    ),
    "employee_id_unknown": ProblemKind(
        422, "This employee id is not on the list", "Check the id and the name; write NA if you are not an employee."
    ),
    "roster_invalid": ProblemKind(
        422, "The file is not a roster", "The entry of errors names the line and what would be right."
    ),
    "image_invalid": ProblemKind(422, "The file is not a usable picture", "Send one PNG or JPEG of at most 1 MB."),
    "template_invalid": ProblemKind(
        422, "The template has mistakes", "Each entry of errors names a line of html or css."
    ),
    "template_fails": ProblemKind(
        422, "The template does not work with every certificate", "See details for the sample, and preview it."
    ),
    "too_many_claims": ProblemKind(422, "Too many claims at once", "Choose at most 10,000, by a narrower filter."),
    "bulk_preview_unknown": ProblemKind(
        409, "This is not what was previewed", "Preview it once more, then send the same with its token."
    ),
    "preview_outdated": ProblemKind(
        409, "The preview is outdated", "The roster changed since. Upload the file again and look at the new preview."
    ),
    "employees_invalid": ProblemKind(422, "The list has mistakes", "Each entry of errors names a line and a column."),
    "idempotency_key_reused": ProblemKind(
        422, "The Idempotency-Key was used before", "Take a new key for a new request."
    ),
    "certificate_revoked": ProblemKind(
        410,
        "The certificate was revoked",
        "Nothing that it said counts any more; the verification page says since when.",
    ),
    "credential_key_revoked": ProblemKind(
        410,
        "The key that signed this credential was revoked",
        "The certificate holds; ask the office to reissue it if you need the credential.",
    ),
    "link_ended": ProblemKind(
        410, "This link has ended", "It expired, or was revoked; ask whoever gave it to you for a new one."
    ),
    "rate_limited": ProblemKind(429, "Too many requests", "Wait for the seconds in Retry-After, then go on."),
    "internal_error": ProblemKind(500, "Something went wrong here", "It was logged under the incident's id."),
    "database_unavailable": ProblemKind(
        503, "The record cannot be reached", "Nothing was changed. Send the request again in a moment."
    ),
    "busy": ProblemKind(503, "Too much is asked at once", "Nothing was done. Send the request again in a moment."),
    "event_id_reused": ProblemKind(409, "The webhook-id was used before", "Take a new id for a new event."),
    "event_settled": ProblemKind(409, "The event is settled", "Only an event in quarantine can be changed."),
    "report_settled": ProblemKind(
        409, "The report is settled", "Somebody answered or closed it already; look at what was answered."
    ),
    "profile_exists": ProblemKind(409, "You have a profile", "Go on with it; PATCH /v1/me changes it."),
    "already_merged": ProblemKind(
        409, "One of the two was merged already", "Look both up again: one is part of another learner."
    ),
    "ce_activity_closed": ProblemKind(
        409, "This activity is closed", "No new claims are taken; a claim that is open goes on."
    ),
    "certificate_not_issued": ProblemKind(
        409, "The certificate is not issued yet", "It appears here as soon as it is."
    ),
    "correction_in_progress": ProblemKind(
        409,
        "Another correction is not finished",
        "See details; wait until it is, have it approved or declined, or end it where it is parked.",
    ),
    "retention_ended": ProblemKind(
        409, "The retention of this claim has ended", "Its award stays as it is: what a correction needs was removed."
    ),
    "email_not_resendable": ProblemKind(
        409,
        "This e-mail is not sent once more",
        "It is on its way, or not wanted any more; what a parked claim could not send goes out when it is tried again.",
    ),
    "too_many_views": ProblemKind(409, "You keep 50 views already", "Remove one that you no longer use."),
    "correction_settled": ProblemKind(
        409, "The correction waits for nobody", "It was decided about already, or goes on by itself; look at its state."
    ),
    RefusalCode.STEP_LOCKED: ProblemKind(409, "This step is locked", "Finish the steps before it first."),
    RefusalCode.ALREADY_DONE: ProblemKind(409, "This step is done", "Go on with the next step."),
    RefusalCode.ALREADY_CLAIMED: ProblemKind(
        409, "The credit was claimed already", "You hold this credit for this activity."
    ),
    RefusalCode.DEADLINE_PASSED: ProblemKind(
        409, "The deadline has passed", "Ask for more time; staff can extend the deadline."
    ),
    RefusalCode.WINDOW_NOT_OPEN: ProblemKind(
        409, "Claiming is not open yet", "Credit may be claimed from opens_at on."
    ),
    RefusalCode.WRONG_STATE: ProblemKind(
        409, "The claim is in another state", "See the claim's next_actions for what is possible."
    ),
    RefusalCode.OPTION_UNKNOWN: ProblemKind(409, "There is no such option", "Choose one of the options."),
    RefusalCode.STEP_NOT_REQUIRED: ProblemKind(
        409, "There is no such step", "This activity does not ask for it; see the claim's next_actions."
    ),
    RefusalCode.METHOD_NOT_OFFERED: ProblemKind(
        409, "Participation is not proved this way here", "Use one of the methods in details."
    ),
    RefusalCode.IDENTIFIER_NOT_FOUND: ProblemKind(
        409,
        "This id or code is not right",
        "Check it against your badge, your letter or your link, and type it again. An id counts for whom the roster "
        "names; if your name or address is another there, write to the provider.",
    ),
    RefusalCode.IDENTIFIER_TAKEN: ProblemKind(
        409, "This id belongs to someone else's claim", "Check it, or write to the provider, who can find out."
    ),
    RefusalCode.TOO_MANY_TRIES: ProblemKind(
        409, "Too many wrong ids", "Wait until again_at, then try again, or write to the provider."
    ),
    RefusalCode.DISCLOSURES_OUTDATED: ProblemKind(
        409, "These are not the disclosures of your claim", "Read the version in details and acknowledge that."
    ),
    RefusalCode.SESSION_UNKNOWN: ProblemKind(409, "There is no such session", "Choose one of the sessions."),
    RefusalCode.SESSION_NOT_OVER: ProblemKind(
        409, "The session is not over yet", "Credit may be claimed for it from ends_at on."
    ),
    RefusalCode.SESSIONS_OVERLAP: ProblemKind(
        409, "Sessions overlap", "You claim a session that was held at the same time; remove that one first."
    ),
    RefusalCode.SESSIONS_MISSING: ProblemKind(
        409, "No sessions are claimed", "Claim the sessions that you attended first."
    ),
    RefusalCode.EVALUATIONS_MISSING: ProblemKind(
        409, "Evaluations are missing", "Complete the evaluation of what details names."
    ),
    RefusalCode.CREDIT_WHOLE_ONLY: ProblemKind(
        409, "Only the whole credit may be claimed", "Claim the amount in details."
    ),
    RefusalCode.CREDIT_MISSING: ProblemKind(409, "No credit is claimed", "Claim an amount of credit first."),
    RefusalCode.CREDIT_TOTAL_DIFFERS: ProblemKind(
        409, "The sessions add up to another amount", "Look at the summary again, and claim its total."
    ),
    RefusalCode.FINALIZED: ProblemKind(
        409, "The statement is final", "Nothing can be changed in it any more; staff can correct a mistake."
    ),
    RefusalCode.CONFIRMATION_REQUIRED: ProblemKind(
        409, "The confirmation is missing", "Confirm that the statement becomes final."
    ),
    RefusalCode.ATTEMPTS_EXHAUSTED: ProblemKind(
        409, "No attempts are left", "The post-test was not passed in the attempts that are allowed."
    ),
    RefusalCode.ATTEMPT_CLOSED: ProblemKind(
        409, "This attempt is closed", "Its answers were given before; the first answers stand."
    ),
    RefusalCode.ANSWERS_INCOMPLETE: ProblemKind(
        409, "Some answers are missing or not possible", "Answer every question with what it offers."
    ),
    RefusalCode.PROFILE_INCOMPLETE: ProblemKind(
        409, "Your profile is not complete", "Add what details names to your profile, then send this again."
    ),
    RefusalCode.NOT_ELIGIBLE: ProblemKind(
        409, "Not eligible for this credit", "Choose a credit type that your profession may claim."
    ),
    RefusalCode.CREDIT_INCREMENT: ProblemKind(
        409, "The amount is between two steps", "Claim a multiple of the credit type's increment."
    ),
    RefusalCode.CREDIT_MAXIMUM: ProblemKind(
        409, "The amount is above the maximum", "Claim at most what the activity is designated for."
    ),
    RefusalCode.CREDIT_MINIMUM: ProblemKind(
        409, "The amount is below the minimum", "Claim at least the smallest amount of this credit type."
    ),
    RefusalCode.ATTESTATION_REQUIRED: ProblemKind(
        409, "The attestation is missing", "Confirm the statement that belongs to this credit type."
    ),
    RefusalCode.NOT_WAIVABLE: ProblemKind(
        409, "This requirement can't be waived", "See because: credit is not given without it; extend the deadline."
    ),
    RefusalCode.NOT_RESOLVABLE: ProblemKind(
        409, "Only Laurel can do this", "Repair the cause and retry the step; a hold is ended by its release."
    ),
    RefusalCode.ON_HOLD: ProblemKind(409, "The claim is on hold", "The office decides how it goes on."),
    RefusalCode.NO_ACTIVE_AWARD: ProblemKind(
        409, "There is no award to correct", "It was revoked, or counts no more; a revoked one can be reissued."
    ),
    RefusalCode.NOTHING_TO_CORRECT: ProblemKind(409, "Nothing would change", "The certificate says this already."),
    RefusalCode.NAME_NOT_PRINTABLE: ProblemKind(
        409,
        "No certificate can be printed with this name",
        "It has characters that no typeface here holds, such as symbols; details name them. Correct the name first.",
    ),
    RefusalCode.FORM_INCOMPLETE: ProblemKind(
        409, "The signal was not filled in", "Give operator and reason; due_on to extend, requirement to waive."
    ),
    RefusalCode.ATTESTATION_OUTDATED: ProblemKind(
        409, "The attestation has changed", "Read the current statement and confirm it."
    ),
    RefusalCode.DEADLINE_NOT_LATER: ProblemKind(
        409, "The new deadline is not later", "Choose a day after the present deadline."
    ),
    RefusalCode.DEADLINE_TOO_LATE: ProblemKind(
        409, "The new deadline is too far away", "Choose a day up to latest_on."
    ),
}

_REFUSED: Final = ProblemKind(409, "The step was refused", "See details for the reason.")


def refusal_kind(code: str) -> ProblemKind:
    """The words for a refusal; a code that this release does not know yet still has some."""
    return PROBLEMS.get(code, _REFUSED)


def refusal_response(
    request: Request, code: str, details: Mapping[str, Any], next_actions: Sequence[Mapping[str, Any]]
) -> Response:
    """Answer that a submission was refused: 409 with the refusal's code, its details, and what may be done now."""
    return problem_response(
        request, code, refusal_kind(code), {"details": dict(details), "next_actions": list(next_actions)}
    )


def error_response(request: Request, error: ProblemError) -> Response:
    """Answer with a problem that was raised."""
    members: dict[str, Any] = {}
    if error.errors:
        members["errors"] = [
            {"pointer": each.pointer, "code": each.code} | ({"message": each.message} if each.message else {})
            for each in error.errors
        ]
    if error.details is not None:
        members["details"] = dict(error.details)
    if error.next_actions is not None:
        members["next_actions"] = list(error.next_actions)
    return problem_response(request, error.code, error.kind, members, detail=error.detail, headers=error.headers)


def problem_response(
    request: Request,
    code: str,
    kind: ProblemKind,
    members: Mapping[str, Any] | None = None,
    *,
    detail: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Answer with a problem document; ``members`` are added to the standard ones."""
    request_id = getattr(request.state, "request_id", None)
    document = {
        "type": f"/problems#{code}",
        "title": gettext(kind.title),
        "status": kind.status,
        "detail": gettext(detail or kind.detail),
        "instance": f"urn:laurel:request:{request_id}",
        "code": code,
        "request_id": request_id,
        **(members or {}),
    }
    body = json.dumps(document, ensure_ascii=False).encode()
    return Response(body, kind.status, headers=dict(headers or {}), media_type=MEDIA_TYPE)
