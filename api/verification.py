"""Verifying certificates for strangers, by code or by a file's hash, with the same words for all that is unknown."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request

from api.auth import client_address
from api.limits import Limit
from api.sentences import REVOKED
from api.services import Services
from api.views import time_json
from config.languages import gettext
from config.languages import marked as _
from domain.corrections import AwardState
from domain.identities import normalize_code
from domain.verification import VerificationStatus, find_sha256, verification_status
from storage import verification
from storage.verification import IssuedCertificate

_LOOK_UPS: Final = Limit("verification", 30)
# More than any code or line of a hash has, so that nothing long is searched through.
_MAXIMUM_LENGTH: Final = 400

_UNKNOWN: Final = _("There is no certificate with this code.")
_UNKNOWN_FILE: Final = _("This file is no certificate that was issued here, or it was changed since.")

Find = Callable[[AsyncConnection], Awaitable[IssuedCertificate | None]]


async def verify_code(request: Request, services: Services, code: str) -> dict[str, Any]:
    """What anyone may know of the certificate with this code; raises 429 after 30 look-ups in a minute."""
    found = await look_up_code(request, services, code)
    return _verification(found, services) if found else _unknown(_UNKNOWN)


async def look_up_code(request: Request, services: Services, code: str) -> IssuedCertificate | None:
    """The issued certificate with this code; raises 429 as ``verify_code`` does, and counts with it."""
    normalized = normalize_code(code) if len(code) <= _MAXIMUM_LENGTH else None
    return await _look_up(request, services, _by_code(normalized) if normalized else None)


async def verify_file(request: Request, services: Services, written_hash: str) -> dict[str, Any]:
    """The same of the certificate whose PDF has this SHA-256, and whether it is the newest version's."""
    sha256 = find_sha256(written_hash) if len(written_hash) <= _MAXIMUM_LENGTH else None
    found = await _look_up(request, services, _by_hash(bytes.fromhex(sha256)) if sha256 else None)
    if found is None:
        return _unknown(_UNKNOWN_FILE)
    return {**_verification(found, services), "document": "newest_version" if found.is_newest else "older_version"}


def _by_code(code: str) -> Find:
    return lambda connection: verification.certificate_by_code(connection, code)


def _by_hash(sha256: bytes) -> Find:
    return lambda connection: verification.certificate_by_hash(connection, sha256)


async def _look_up(request: Request, services: Services, find: Find | None) -> IssuedCertificate | None:
    """Look up what can be looked up; every try counts, so that nobody goes through all codes."""
    request.state.limit_headers = await services.shared_limiter.hit(_LOOK_UPS, client_address(request))
    return await services.database.statements(find) if find else None


def _unknown(message: str) -> dict[str, Any]:
    return {"status": VerificationStatus.UNKNOWN, "message": gettext(message)}


def _verification(found: IssuedCertificate, services: Services) -> dict[str, Any]:
    """What a certificate prints, in short; of one that was revoked only that it was, since when, and why."""
    status = verification_status(found.newest_state, found.newest_award_state, is_newest=found.is_newest)
    common = {
        "status": status,
        "message": _message(status, found),
        "code": found.code,
        "version": found.version,
        "checked_at": time_json(datetime.now(UTC)),
    }
    if status is VerificationStatus.REVOKED:
        # An older version was superseded before; what counts is when and why the newest one was revoked.
        on = found.newest_ended_on
        return common | {"ended_on": on and on.isoformat(), "revocation_class": found.revocation_class}
    return common | {
        "ended_on": found.ended_on and found.ended_on.isoformat(),
        "superseded_by": None if found.is_newest else found.newest_code,
        "credential_url": _credential_url(found, services),
        **_printed(found),
    }


def _credential_url(found: IssuedCertificate, services: Services) -> str | None:
    """Where the machine credential is; it says whose it is, so it is not there without the name."""
    if not (found.has_credential and _name(found)):
        return None
    return f"{services.settings.public_url.rstrip('/')}/v1/credentials/{found.code}"


def _name(found: IssuedCertificate) -> str | None:
    return (found.data.get("learner_name") or None) if found.shows_name else None


def _message(status: VerificationStatus, found: IssuedCertificate) -> str:
    if status is VerificationStatus.VALID:
        return gettext("This certificate is valid.")
    if status is VerificationStatus.REVOKED:
        why = found.revocation_class
        if why is None:
            return gettext("This certificate was revoked.")
        return gettext("This certificate was revoked: {reason}.").format(reason=gettext(REVOKED[why]))
    if not found.is_newest:
        return gettext("This certificate was replaced by a newer version.")
    if found.newest_award_state == AwardState.MERGED:
        return gettext("This certificate counts no more: the same credit is certified by another one.")
    return gettext("This certificate was replaced. The newer version is being made.")


def _printed(found: IssuedCertificate) -> dict[str, Any]:
    """Who, what, when and by whom. The name is left out when its learner hides it, and once it was erased."""
    data, credit = found.data, found.data["credit"]
    name = _name(found)
    return {
        "learner_name": name,
        "learner_credentials": (data.get("learner_credentials") or None) if name else None,
        "kind": data["kind"],
        "ce_activity": data["ce_activity_title"],
        "learning_format": data["learning_format"],
        "location": data.get("location"),
        "starts_on": data.get("starts_on"),
        "ends_on": data.get("ends_on"),
        "completed_on": data["completed_on"],
        "provider": data["provider"]["name"],
        "accreditation_statement": data.get("accreditation_statement") or None,
        "designation_statement": data.get("designation_statement") or None,
        "credit_name": credit["name"] + ("™" if credit["has_trademark"] else ""),
        "credit_is_italic": credit["is_italic"],
        "units": str(credit["awarded_units"]),
        "unit": credit.get("unit_name") or None,
        "issued_on": data["issued_on"],
    }
