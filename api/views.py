"""What the API shows of claims and CE activities, as JSON values. ``api/v1/answers.py`` documents the shapes."""

from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from api.forms import Json, content_json, form_of, offers_json, requirement_json, sessions_summary_json
from api.sentences import sentence
from domain import credit
from domain.claims import ClaimFacts, attempts_left, format_of, stage_of
from domain.deadlines import due_at, opens_at
from domain.people import required_fields
from domain.policy import CEActivityPolicy, Profession
from domain.progress import SETTLED_STATES, Action, Progress, Step, progress_of
from storage.intake import SubmissionView
from storage.queries import AttemptView, CEActivityView, ClaimView

_METHOD_AND_PATH: Final = {
    Action.STATE_PARTICIPATION: ("POST", "/participation"),
    Action.CHOOSE_STATEMENT: ("PUT", "/statement"),
    Action.ACKNOWLEDGE_DISCLOSURES: ("POST", "/disclosures"),
    Action.COMPLETE_CONTENT: ("GET", ""),
    Action.START_ATTEMPT: ("POST", "/attempts"),
    Action.SUBMIT_ANSWERS: ("POST", "/attempts/{attempt}/answers"),
    Action.COMPLETE_EVALUATION: ("POST", "/evaluations"),
    Action.CLAIM_SESSION: ("PUT", "/sessions/{session}"),
    Action.CLAIM_CREDIT: ("PUT", "/credit"),
    Action.FINALIZE: ("POST", "/finalization"),
    Action.REQUEST_EXTENSION: ("POST", "/extension-requests"),
    Action.VIEW_CERTIFICATE: ("GET", "/certificate"),
    Action.WITHDRAW: ("POST", "/withdrawal"),
}


def time_json(at: datetime | None) -> str | None:
    """A time as RFC 3339 writes it, in UTC."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z") if at else None


def local_time_json(at: datetime, time_zone: str) -> str:
    """A time with the offset that holds in a zone at that time."""
    return at.astimezone(ZoneInfo(time_zone)).isoformat()


def claim_json(view: ClaimView, policy: CEActivityPolicy, public_url: str) -> Json:
    """The status of a claim: everything a front end needs to show it, without rules of its own."""
    progress = progress_of(policy, view.facts, view.read_at, view.attention)
    done = sum(step.state in SETTLED_STATES for step in progress.steps)
    return {
        "id": view.id,
        "href": f"/v1/claims/{view.id}",
        "ce_activity": _ce_activity_of_claim_json(view, policy),
        "stage": progress.stage,
        "stage_since": time_json(view.stage_since_at),
        "is_pending": view.is_pending,
        "attention": view.attention,
        "hold": _hold_json(view),
        "opened_at": time_json(view.opened_at),
        "closed_at": time_json(view.closed_at),
        "due_at": local_time_json(view.facts.due_at, policy.time_zone) if view.facts.due_at else None,
        "waiting_for": progress.waiting_for,
        "waiting_until": time_json(progress.waiting_until),
        "next_actions": next_actions_json(view, policy, progress),
        "blocked_by": list(progress.blocked_by),
        "progress": {
            "done": done,
            "total": len(progress.steps),
            "steps": [_step_json(step) for step in progress.steps],
        },
        "deadlines": [
            {"name": each.name, "at": local_time_json(each.at, each.time_zone), "time_zone": each.time_zone}
            for each in progress.deadlines
        ],
        **_facts_json(view, policy),
        "award": _award_json(view),
        "certificate": _certificate_json(view, public_url),
        "certificate_elsewhere": _elsewhere_json(policy),
    }


def _hold_json(view: ClaimView) -> Json | None:
    """Since when the office holds the claim, and why in plain words."""
    hold = view.hold
    if hold is None:
        return None
    said = sentence("hold.accepted", {"reason_code": hold.reason_code})
    return {"since": time_json(hold.since), "reason_code": hold.reason_code, "message": said}


def _ce_activity_of_claim_json(view: ClaimView, policy: CEActivityPolicy) -> Json:
    """The CE activity, in the format in which this learner took part."""
    return {
        "slug": view.ce_activity,
        "title": policy.title,
        "provider": policy.provider.name,
        "acronym": policy.provider.acronym,
        "format": format_of(policy, view.facts),
        "time_zone": policy.time_zone,
        "course_url": policy.course_url,
        "contact": policy.contact,
        "href": f"/v1/ce-activities/{view.ce_activity}",
    }


def _facts_json(view: ClaimView, policy: CEActivityPolicy) -> Json:
    """What the learner has done and chosen so far."""
    facts = view.facts
    return {
        "participation": facts.participation,
        "statement": facts.statement,
        "content": content_json(policy, facts),
        "sessions": sessions_summary_json(view.id, policy, facts),
        "credit": _credit_json(facts),
        "is_final": facts.is_awarded or facts.is_final,
        "is_extension_requested": facts.is_extension_requested,
        "attempts": [attempt_json(attempt) for attempt in view.attempts],
        "attempts_left": attempts_left(policy.post_test, facts) if policy.post_test else None,
    }


def next_actions_json(view: ClaimView, policy: CEActivityPolicy, progress: Progress | None = None) -> list[Json]:
    """What the learner may do now: where to send it, and the form to fill in.

    A certificate that was revoked cannot be viewed, nor a corrected one in the seconds before it is issued.
    """
    progress = progress or progress_of(policy, view.facts, view.read_at, view.attention)
    is_issued = view.certificate is not None and view.certificate.state == "issued"
    actions = (each for each in progress.next_actions if each is not Action.VIEW_CERTIFICATE or is_issued)
    return [_action_json(action, view, policy) for action in actions]


def _action_json(action: Action, view: ClaimView, policy: CEActivityPolicy) -> Json:
    method, path = _METHOD_AND_PATH[action]
    last = view.facts.last_attempt
    path = path.replace("{attempt}", str(last.number if last else 1))
    described: Json = {"action": action, "method": method, "href": f"/v1/claims/{view.id}{path}"}
    form = form_of(action, policy, view.facts)
    return described | ({"form": form} if form else {})


def _step_json(step: Step) -> Json:
    return {"kind": step.kind, "state": step.state, "reason": step.reason, "until": time_json(step.until)}


def attempt_json(attempt: AttemptView) -> Json:
    """One attempt with its result; neither answers nor key."""
    is_graded = attempt.graded_at is not None and attempt.total
    return {
        "number": attempt.number,
        "started_at": time_json(attempt.started_at),
        "submitted_at": time_json(attempt.submitted_at),
        "graded_at": time_json(attempt.graded_at),
        "has_passed": attempt.has_passed,
        "correct": attempt.correct,
        "total": attempt.total,
        "percent": 100 * (attempt.correct or 0) // attempt.total if is_graded and attempt.total else None,
    }


def _award_json(view: ClaimView) -> Json | None:
    award = view.award
    if award is None:
        return None
    rule = credit.rule(award.credit_type, award.rule_version)
    return {
        "id": award.id,
        "credit_type": award.credit_type,
        "credit_name": rule.name,
        "credit_is_italic": rule.is_italic,
        "units": str(award.units),
        "unit": rule.unit,
        "state": award.state,
        "completed_on": award.completed_on.isoformat(),
        "awarded_at": time_json(award.awarded_at),
    }


def _credit_json(facts: ClaimFacts) -> Json | None:
    """The amount claimed, which may be changed until the statement is final."""
    claimed = facts.credit
    return {"credit_type": claimed.credit_type, "units": str(claimed.units)} if claimed else None


def _elsewhere_json(policy: CEActivityPolicy) -> Json | None:
    """Which other system issues the certificate, when Laurel does not."""
    issue = policy.certificate
    return None if issue.is_here else {"system": issue.system, "url": issue.url}


def _certificate_json(view: ClaimView, public_url: str) -> Json | None:
    certificate = view.certificate
    if certificate is None:
        return None
    return {
        "id": certificate.id,
        "version": certificate.version,
        "state": certificate.state,
        "issued_at": time_json(certificate.issued_at),
        "href": f"/v1/claims/{view.id}/certificate",
        "page_url": f"{public_url}/claims/{view.id}/certificate",
        "verification_code": certificate.verification_code,
        "verification_url": f"{public_url}/verify/{certificate.verification_code}",
    }


def submission_json(submission: SubmissionView) -> Json:
    """A submission and what became of it."""
    return {
        "id": submission.id,
        "href": f"/v1/claims/{submission.claim_id}/submissions/{submission.id}",
        "claim": f"/v1/claims/{submission.claim_id}",
        "kind": submission.kind,
        "received_at": time_json(submission.received_at),
        "decided_at": time_json(submission.decided_at),
        "outcome": submission.outcome or "undecided",
        "code": submission.refusal,
        "details": dict(submission.details),
    }


def ce_activity_summary_json(view: CEActivityView, policy: CEActivityPolicy, profession: Profession | None) -> Json:
    """A CE activity in a list."""
    return {
        "slug": view.slug,
        "href": f"/v1/ce-activities/{view.slug}",
        "title": policy.title,
        "format": policy.format,
        "provider": policy.provider.name,
        "acronym": policy.provider.acronym,
        "event_type": policy.event_type,
        "starts_on": policy.starts_on.isoformat(),
        "ends_on": policy.ends_on.isoformat(),
        "location": policy.location,
        "time_zone": policy.time_zone,
        "credit": [
            {"credit_type": offer["credit_type"], "name": offer["name"], "designated_units": offer["designated_units"]}
            for offer in offers_json(policy, profession)
        ],
        "claim": f"/v1/claims/{view.claim_id}" if view.claim_id else None,
    }


def ce_activity_json(
    view: CEActivityView, policy: CEActivityPolicy, profession: Profession | None, now: datetime
) -> Json:
    """A CE activity in full: what is required, in words too, what may be claimed, and until when if opened now."""
    opening = opens_at(policy.claim_window, policy.time_zone)
    closing = due_at(policy.claim_window, policy.time_zone, now)
    return {
        **ce_activity_summary_json(view, policy, profession),
        "version": view.number,
        "status": view.status,
        "description": policy.description,
        "course_url": policy.course_url,
        "contact": policy.contact,
        "certificate_elsewhere": _elsewhere_json(policy),
        "profile_fields": list(required_fields(policy, profession)),
        "session_count": len(policy.sessions),
        "accreditation_statement": policy.provider.accreditation_statement,
        "requirements": [requirement_json(requirement) for requirement in policy.requirements],
        "credit": offers_json(policy, profession),
        "claim_window": {
            "opens_at": local_time_json(opening, policy.time_zone) if opening else None,
            "due_at_if_opened_now": local_time_json(closing, policy.time_zone) if closing else None,
            "days": policy.claim_window.days,
            "time_zone": policy.time_zone,
        },
    }


def checklist_json(policy: CEActivityPolicy, profession: Profession | None, now: datetime) -> list[Json]:
    """The steps that a claim would have if a learner of this profession opened it now."""
    facts = ClaimFacts(profession=profession, due_at=due_at(policy.claim_window, policy.time_zone, now))
    return [_step_json(step) for step in progress_of(policy, facts, now, None).steps]


def stage_if_opened(
    policy: CEActivityPolicy, profession: Profession | None, now: datetime
) -> tuple[str, datetime | None]:
    """The stage and the deadline that a claim would have if it were opened now."""
    closing = due_at(policy.claim_window, policy.time_zone, now)
    facts = ClaimFacts(profession=profession, due_at=closing)
    return stage_of(policy, facts, now), closing
