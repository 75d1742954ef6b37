"""What may be changed about an award and its certificate after they were made, and by whom."""

from enum import StrEnum


class CorrectionKind(StrEnum):
    """What staff may ask for once credit is awarded.

    ``credit`` changes the amount or the sessions: a new award, a new version of the certificate. ``name`` and
    ``reissue`` make a new version of the certificate: with the corrected name, or with what is true today.
    ``revocation`` ends award and certificate.
    """

    CREDIT = "credit"
    NAME = "name"
    REISSUE = "reissue"
    REVOCATION = "revocation"


class CorrectionState(StrEnum):
    """How far a correction has come: asked for, agreed to by a second person, in the record, told; or not to be."""

    AWAITING_APPROVAL = "awaiting_approval"
    APPROVED = "approved"
    APPLIED = "applied"
    COMPLETED = "completed"
    REFUSED = "refused"
    DECLINED = "declined"


class RevocationClass(StrEnum):
    """Why a certificate was revoked, as the public may read it."""

    ISSUED_IN_ERROR = "issued_in_error"
    PARTICIPATION_NOT_VERIFIED = "participation_not_verified"
    DUPLICATE = "duplicate"
    MISCONDUCT = "misconduct"
    REQUESTED = "requested_by_learner"
