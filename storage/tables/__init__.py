"""The record: every table, with what personal data it holds and for how long.

Rows are read and written with SQLAlchemy Core statements; the mapped classes only name tables and columns.
What they hold of people, why and for how long is in ``storage.tables.privacy``, and tests compare it with the schema.
"""

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
from storage.tables.claims import (
    AttemptRow,
    BulkActionRow,
    BulkClaimRow,
    ClaimRow,
    ClaimSessionRow,
    EvaluationRow,
    SubmissionRow,
)
from storage.tables.drafts import DraftRow
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
from storage.tables.office import ClaimNoteRow, IssuancePauseRow, SavedViewRow
from storage.tables.people import (
    AccountIdentityRow,
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
from storage.tables.privacy import CODES, PERSONAL_DATA, PSEUDONYMS, Holding
from storage.tables.requests import ProblemReportRow, ReminderLinkRow, TranscriptLinkRow
from storage.tables.retention import LegalHoldRow

__all__ = [
    "CODES",
    "NAMING",
    "PERSONAL_DATA",
    "PSEUDONYMS",
    "UNITS_CHECK",
    "AccountIdentityRow",
    "AccountRow",
    "AttemptRow",
    "AuditCheckpointRow",
    "AuditEventRow",
    "AuditLeafRow",
    "AwardLineRow",
    "AwardRow",
    "Base",
    "BulkActionRow",
    "BulkClaimRow",
    "CEActivityRow",
    "CEActivityVersionRow",
    "CertificateRow",
    "CertificateTemplateRow",
    "ClaimNoteRow",
    "ClaimRow",
    "ClaimSessionRow",
    "ContentProgressRow",
    "CorrectionRow",
    "CredentialRow",
    "DocumentRow",
    "DraftRow",
    "EmployeeRow",
    "EvaluationRow",
    "HistoricalAwardRow",
    "Holding",
    "IdempotencyKeyRow",
    "ImageRow",
    "IntegrationEventRow",
    "IntegrationRow",
    "IssuancePauseRow",
    "LearnerIdentifierRow",
    "LearnerKeyRow",
    "LearnerMergeRow",
    "LearnerRow",
    "LegalHoldRow",
    "LoginSessionRow",
    "OutgoingEmailRow",
    "ProblemReportRow",
    "ProviderRow",
    "ReminderLinkRow",
    "RequestCountRow",
    "RosterEntryRow",
    "RosterKeyRow",
    "RosterLineRow",
    "RosterRow",
    "SavedViewRow",
    "SignInLinkRow",
    "SigningKeyRow",
    "StatusListRow",
    "SubmissionRow",
    "TranscriptLinkRow",
]
