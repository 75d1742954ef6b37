"""The record: every table, with what personal data it holds and for how long.

Rows are read and written with SQLAlchemy Core statements; the mapped classes only name tables and columns.
``PERSONAL_DATA`` is checked by a test against the schema.
"""

from typing import Final

from storage.tables.audit import AuditCheckpointRow, AuditEventRow, AuditLeafRow
from storage.tables.awards import AwardLineRow, AwardRow, CertificateRow, DocumentRow, HistoricalAwardRow
from storage.tables.base import NAMING, UNITS_CHECK, Base
from storage.tables.catalog import CEActivityRow, CEActivityVersionRow, ProviderRow
from storage.tables.certificates import (
    CertificateTemplateRow,
    CorrectionRow,
    CredentialRow,
    ImageRow,
    SigningKeyRow,
    StatusListRow,
)
from storage.tables.claims import AttemptRow, ClaimRow, ClaimSessionRow, EvaluationRow, SubmissionRow
from storage.tables.evidence import (
    ContentProgressRow,
    IntegrationEventRow,
    IntegrationRow,
    RosterEntryRow,
    RosterKeyRow,
    RosterLineRow,
    RosterRow,
)
from storage.tables.limits import RequestCountRow
from storage.tables.mail import OutgoingEmailRow
from storage.tables.people import (
    AccountRow,
    EmployeeRow,
    IdempotencyKeyRow,
    LearnerIdentifierRow,
    LearnerKeyRow,
    LearnerMergeRow,
    LearnerRow,
    LoginSessionRow,
    SignInLinkRow,
)
from storage.tables.retention import LegalHoldRow

__all__ = [
    "NAMING",
    "PERSONAL_DATA",
    "UNITS_CHECK",
    "AccountRow",
    "AttemptRow",
    "AuditCheckpointRow",
    "AuditEventRow",
    "AuditLeafRow",
    "AwardLineRow",
    "AwardRow",
    "Base",
    "CEActivityRow",
    "CEActivityVersionRow",
    "CertificateRow",
    "CertificateTemplateRow",
    "ClaimRow",
    "ClaimSessionRow",
    "ContentProgressRow",
    "CorrectionRow",
    "CredentialRow",
    "DocumentRow",
    "EmployeeRow",
    "EvaluationRow",
    "HistoricalAwardRow",
    "IdempotencyKeyRow",
    "ImageRow",
    "IntegrationEventRow",
    "IntegrationRow",
    "LearnerIdentifierRow",
    "LearnerKeyRow",
    "LearnerMergeRow",
    "LearnerRow",
    "LegalHoldRow",
    "LoginSessionRow",
    "OutgoingEmailRow",
    "ProviderRow",
    "RequestCountRow",
    "RosterEntryRow",
    "RosterKeyRow",
    "RosterLineRow",
    "RosterRow",
    "SignInLinkRow",
    "SigningKeyRow",
    "StatusListRow",
    "SubmissionRow",
]

# Table -> (what personal data it holds, how long it is kept). Tables without personal data say so with None.
PERSONAL_DATA: Final[dict[str, tuple[str, str] | None]] = {
    "accounts": ("e-mail address", "while the account exists"),
    "attempts": ("answers of a learner", "six years from the activity date (R-ACC-3)"),
    "audit_checkpoints": None,
    "audit_events": ("ids of learners and staff, no names", "six years from the activity date (R-ACC-3)"),
    "audit_leaves": None,
    "award_lines": None,
    "awards": ("credit of a learner", "six years from the activity date (R-ACC-3)"),
    "ce_activities": None,
    "ce_activity_versions": None,
    "certificate_templates": None,
    "certificates": ("name as printed", "six years from the activity date (R-ACC-3)"),
    "claim_sessions": ("participation of a learner", "six years from the activity date (R-ACC-3)"),
    "claims": ("participation of a learner", "six years from the activity date (R-ACC-3)"),
    "content_progress": ("what a learner watched or attended", "six years from the activity date (R-ACC-3)"),
    "corrections": ("what was wrong about a learner's certificate", "six years from the activity date (R-ACC-3)"),
    "credentials": ("name as printed", "six years from the activity date (R-ACC-3)"),
    "documents": ("name as printed", "six years from the activity date (R-ACC-3)"),
    "employees": ("name and address of employees", "until the next list is loaded"),
    "evaluations": ("opinions of a learner", "six years from the activity date (R-ACC-3)"),
    "historical_awards": ("credit of a learner", "six years from the activity date (R-ACC-3)"),
    "idempotency_keys": ("answers already given to a request", "30 days"),
    "images": ("signatures of signatories", "while certificates with them are kept"),
    "integration_events": ("who a platform says did what", "six years from the activity date (R-ACC-3)"),
    "integrations": None,
    "learner_identifiers": ("licence and registry numbers", "while the account exists"),
    "learner_keys": ("keys to personal data in the audit trail", "until the data is erased"),
    "learner_merges": ("which accounts are one person", "while the account exists"),
    "learners": ("name, credentials, profession, time zone", "while the account exists"),
    "legal_holds": ("why somebody's record is kept", "while what is held is kept"),
    "login_sessions": ("who is signed in", "until the session expires"),
    "outgoing_emails": ("address of a recipient", "one year"),
    "providers": None,
    "request_counts": ("hashes of network addresses", "one day"),
    "roster_entries": ("name of an attendee", "six years from the activity date (R-ACC-3)"),
    "roster_keys": ("badge ids, addresses and identifiers of attendees", "six years from the activity date (R-ACC-3)"),
    "roster_lines": ("what a roster says of attendees", "six years from the activity date (R-ACC-3)"),
    "rosters": None,
    "sign_in_links": ("e-mail address", "one day"),
    "signing_keys": None,
    "status_lists": None,
    "submissions": ("what a learner submitted", "six years from the activity date (R-ACC-3)"),
}
