"""What the record holds of people, why, and for how long; every column of text, JSON or bytes is classified.

A test compares this with the schema, and another one with ``docs/audit.md``.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Holding:
    """Personal data of one table: what it is, what it is for, until when it is kept, and in which columns it stands.

    Without columns it is the row itself that says something of a person, whose id it has.
    """

    what: str
    purpose: str
    kept: str
    columns: frozenset[str] = frozenset()


def _held(what: str, purpose: str, kept: str, *columns: str) -> Holding:
    return Holding(what, purpose, kept, frozenset(columns))


_RETENTION: Final = "its retention: at least six years from the activity date (R-ACC-3)"
_FOR_GOOD: Final = "for good; without a name once the learner is erased"
_ERASED: Final = "until the learner is erased"
_ERASED_RECORD: Final = "until the learner is erased and the retention of all their records is over"

# Table -> what it holds of people; None where that is nothing.
PERSONAL_DATA: Final[dict[str, Holding | None]] = {
    "account_identities": _held(
        "who an account is to an identity provider", "signing in through it", _ERASED, "subject"
    ),
    "accounts": _held("e-mail address", "signing in, telling learners about their claims", _ERASED, "email"),
    "attempts": _held("answers of a learner", "grading, and proof of it", _RETENTION, "answers"),
    "audit_checkpoints": None,
    "audit_events": _held(
        "ids of people; names and words under keys that can be destroyed", "proof of what happened", _RETENTION, "body"
    ),
    "audit_leaves": None,
    "award_lines": None,
    "awards": _held("credit of a learner", "transcripts, verification", _FOR_GOOD),
    "bulk_actions": _held("why staff acted on claims", "showing what came of it", "30 days", "body", "filter"),
    "bulk_claims": None,
    "ce_activities": None,
    "ce_activity_versions": None,
    "certificate_templates": None,
    "certificates": _held("name and licences as printed", "issuing and verifying", _RETENTION, "data"),
    "claim_notes": _held("what staff noted about a claim", "helping its learner", _RETENTION, "text"),
    "claim_sessions": _held("which sessions a learner attended", "claiming credit", _FOR_GOOD),
    "claims": _held("participation of a learner", "claiming credit", _FOR_GOOD),
    "content_progress": _held("what a learner watched or attended", "claiming credit", _RETENTION, "intervals"),
    "corrections": _held(
        "what was wrong about a learner's certificate",
        "correcting it",
        _RETENTION,
        "body",
        "reason",
        "resolution",
        "outcome",
    ),
    "credentials": _held("name as printed", "machine verification", _RETENTION, "jwt"),
    "documents": _held("certificates as printed", "serving them unchanged", _RETENTION, "content"),
    "drafts": _held(
        "answers and opinions of a learner that are not handed in",
        "going on with a form later",
        "until the form is accepted, else a month after the last change",
        "responses",
    ),
    "employees": _held(
        "name and address of employees",
        "checking employee ids",
        "until the next list is loaded",
        "employee_id",
        "given_name",
        "family_name",
        "email",
    ),
    "evaluations": _held("opinions of a learner", "improving CE activities, accreditation", _RETENTION, "responses"),
    "historical_awards": _held(
        "credit from elsewhere, and why it was entered",
        "transcripts",
        _ERASED_RECORD,
        "reference",
        "reason",
        "void_reason",
    ),
    "idempotency_keys": _held("answers already given to a request", "answering it the same again", "30 days", "body"),
    "images": _held("signatures of signatories", "certificates", "while certificates with them are kept"),
    "integration_events": _held("who a platform says did what", "evidence of participation", _RETENTION, "body"),
    "integrations": None,
    "issuance_pauses": _held(
        "why staff paused issuance, and let it go on", "proof of who decided it", "for good", "reason", "lift_reason"
    ),
    "learner_identifiers": _held(
        "licence and registry numbers",
        "eligibility, reporting, printing",
        "until the learner is erased; those that awards rest on as long as their records",
        "value",
    ),
    "learner_keys": _held("keys to what is sealed in the audit trail", "reading it", "until it is erased", "key"),
    "learner_merges": _held("which accounts are one person, and why", "one transcript", _ERASED_RECORD, "reason"),
    "learners": _held(
        "name, credentials, profession, time zone",
        "eligibility, printing, reminders",
        f"time zone: {_ERASED}; the rest: {_ERASED_RECORD}",
        "given_name",
        "family_name",
        "name_key",
        "credentials",
        "profession",
        "time_zone",
    ),
    "legal_holds": _held("why a record is held", "legal duty", "while what is held is kept", "reason", "lift_reason"),
    "login_sessions": _held(
        "who is signed in, with which browser", "signing in", "until the session ends; removed within a day"
    ),
    "outgoing_emails": _held("address of a recipient", "sending, and proof of it", "one year", "recipient"),
    "problem_reports": _held(
        "what a learner says is wrong about a claim, and what staff answered",
        "answering it, and proof of it",
        _RETENTION,
        "message",
        "answer",
    ),
    "providers": None,
    "reminder_links": _held("by which token a learner stops reminders", "stopping them by one click", _ERASED, "token"),
    "request_counts": _held("hashes of network addresses", "limiting requests", "one day", "client"),
    "roster_entries": _held("name of an attendee", "proof of participation", _RETENTION, "given_name", "family_name"),
    "roster_keys": _held(
        "badge ids, addresses and identifiers of attendees", "finding an attendee", _RETENTION, "value"
    ),
    "roster_lines": _held("what a roster says of attendees", "proof of participation", _RETENTION, "values"),
    "rosters": None,
    "saved_views": _held("which lists a member of staff works with", "finding claims again", "until they are removed"),
    "sign_in_links": _held("e-mail address", "signing in", "one day", "email", "token"),
    "signing_keys": None,
    "status_lists": None,
    "submissions": _held("what a learner submitted", "deciding it, and proof of it", _RETENTION, "body", "details"),
    "transcript_links": _held(
        "to whom a learner's transcript may be open", "sharing it", "until a month after the link ended"
    ),
}

PSEUDONYMS: Final = frozenset(
    {
        "account_id", "actor", "applied_by", "asked_by", "created_by", "decided_by", "duplicate_id", "entered_by",
        "learner_id", "lifted_by", "merged_into", "placed_by", "principal", "published_by", "requested_by",
        "settled_by", "uploaded_by", "voided_by", "held_by", "resolved_by",
    }
)  # fmt: skip
"""Columns with the id of an account or a learner, which says who it is only together with their own tables."""

CODES: Final = frozenset(
    {
        "activity_code", "algorithm", "attention", "attestation_version", "award_id", "body_hash", "ce_activity_id",
        "certificate_id", "claim_id", "closed_as", "content", "credential", "credit_type", "disclosures_version",
        "decision_request_id", "entry_id", "file_name", "fingerprint", "form", "hash", "hashes", "id", "integration",
        "key", "key_id", "kind", "last_error", "media_type", "name", "note", "outcome", "participation",
        "participation_method", "policy", "prev_hash", "previous_secret", "problem", "problems", "provider_slug",
        "public_key", "purpose", "reading", "reason_class", "refusal", "request_id", "revocation_class", "role", "root",
        "roster_entry", "roster_id", "rule_version", "secret", "session", "sha256", "slug", "source", "stage", "state",
        "statement", "status", "step_key", "stream", "subject", "subject_id", "submission_id", "superseded_by",
        "template_version", "title", "token_hash", "type", "used_key", "verification_code", "version_id", "acronym",
        "details", "provider", "jwt", "query", "browser", "issuer", "language", "system",
        "action", "bulk_id", "hold_reason", "skipped", "waived", "reason_code", "lift_reason_code",
        "resolution_code", "resolution_request_id",
    }
)  # fmt: skip
"""Columns that say nothing of a person wherever they are not named above: ids of things, codes, hashes, what staff
publish of a CE activity, problems without the values that they are about."""
