"""Signing machine credentials, and publishing which of them hold no more."""

import asyncio
import hashlib
import json
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

import structlog
from sqlalchemy import Connection, Engine, RowMapping, func, select
from temporalio.exceptions import ApplicationError

from config.keys import KeyFolder, KeyMissingError, KeyPurpose, SigningKey
from documents.credential import status_list as lists
from documents.credential.issuer import issuer_did, verification_method
from documents.credential.open_badge import CredentialTerms, open_badge
from documents.credential.proofs import as_jwt, to_bytes, with_proof
from documents.models import CertificateData
from storage import credentials
from storage.credentials import SignedCredential, StatusPlace
from storage.keys import public_keys

logger = structlog.get_logger(__name__)

_PAUSE: Final = timedelta(seconds=10)
# How long a copy of a list may be kept: with the pause, a change is seen well within a minute.
LIST_LIFE: Final = timedelta(seconds=30)
# A list that nobody signs any more must not vouch for credentials for ever.
_LIST_VALID: Final = timedelta(days=7)
_SIGNED_ANEW: Final = timedelta(days=1)


def status_list_address(public_url: str, number: int) -> str:
    """Where a status list is published; credentials name this address for as long as they are kept."""
    return f"{public_url}/v1/status-lists/{number}"


class CredentialKeys:
    """The keys that sign credentials: those in the folder that the record knows and that still may sign."""

    def __init__(self, folder: KeyFolder) -> None:
        self._folder = folder

    def newest(self, connection: Connection) -> SigningKey:
        """The newest key that may sign; raises ``KeyMissingError`` when none of them is here."""
        for published in reversed(public_keys(connection, KeyPurpose.CREDENTIAL)):
            if not published.may_sign:
                continue
            try:
                key = self._folder.key(published.id)
            except KeyMissingError:
                continue
            if key.public == published.public_key:
                return key
        raise KeyMissingError(KeyPurpose.CREDENTIAL)


class CredentialSigner:
    """Signs the credential of each certificate once; what was signed is kept and never signed anew."""

    def __init__(self, engine: Engine, keys: KeyFolder, public_url: str) -> None:
        self._engine = engine
        self._keys = CredentialKeys(keys)
        self._public_url = public_url
        self._issuer = issuer_did(public_url)

    def signed(self, certificate_id: str) -> SignedCredential:
        """The signed credential of a certificate that is reserved or issued; asked again, it is the same.

        Nobody sees a credential before its certificate is issued, so the entry about that issue names its hash.
        Raises ``ApplicationError`` of type ``SigningKeyMissing``, final, when no key of the record is in the folder.
        """
        with self._engine.begin() as connection:
            certificate = credentials.lock_certificate(connection, certificate_id)
            if certificate is None:
                raise ApplicationError("CertificateNotReserved", type="CertificateNotReserved", non_retryable=True)
            return credentials.signed_credential(connection, certificate_id) or self._sign(connection, certificate)

    def _sign(self, connection: Connection, certificate: RowMapping) -> SignedCredential:
        try:
            key = self._keys.newest(connection)
        except KeyMissingError as error:
            raise ApplicationError("SigningKeyMissing", type="SigningKeyMissing", non_retryable=True) from error
        place = credentials.reserve_place(connection, certificate["id"], lists.LENGTH)
        document = open_badge(CertificateData.from_json(certificate["data"]), self._terms(certificate, place))
        method = verification_method(self._issuer, key.id)
        content = to_bytes(with_proof(document, key.private, method, certificate["reserved_at"]))
        signed = SignedCredential(
            certificate_id=certificate["id"],
            content=content,
            sha256=hashlib.sha256(content).digest(),
            jwt=as_jwt(document, key.private, method),
            key_id=key.id,
        )
        credentials.store_credential(connection, signed)
        return signed

    def _terms(self, certificate: RowMapping, place: StatusPlace) -> CredentialTerms:
        claim = f"{self._issuer}/claims/{certificate['claim_id']}"
        return CredentialTerms(
            id=uuid5(NAMESPACE_URL, claim).urn,
            issuer=self._issuer,
            # Of this claim only: two credentials of one learner must not tell strangers that they belong together.
            subject=uuid5(NAMESPACE_URL, f"{claim}/learner").urn,
            achievement=f"{self._public_url}/ce-activities/{certificate['slug']}#{certificate['credit_type']}",
            email=certificate["email"],
            first_awarded_at=certificate["first_awarded_at"],
            issued_at=certificate["reserved_at"],
            status_list=status_list_address(self._public_url, place.status_list),
            status_index=place.index,
        )


class StatusPublisher:
    """Signs a status list anew when a certificate in it has ended, when its key has, and every day.

    Any number of publishers may run; one of them signs a list at a time.
    """

    def __init__(self, engine: Engine, keys: KeyFolder, public_url: str) -> None:
        self._engine = engine
        self._keys = CredentialKeys(keys)
        self._public_url = public_url
        self._issuer = issuer_did(public_url)

    async def run(self, pause: timedelta = _PAUSE) -> None:
        """Publish what has changed, for ever."""
        while True:
            try:
                await asyncio.to_thread(self.publish_due)
            except Exception as error:  # noqa: BLE001  # the database or the keys may be away; the next round tries again
                logger.warning("status lists are not published", error=type(error).__name__)
            await asyncio.sleep(pause.total_seconds())

    def publish_due(self) -> int:
        """Look once; answers how many lists were signed. Raises ``KeyMissingError`` if any waits for a key."""
        with self._engine.begin() as connection:
            now: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
            found = credentials.lock_lists(connection)
            if not found:
                return 0
            ended = credentials.ended_places(connection)
            key = self._keys.newest(connection)
            due = [row for row in found if not self._is_current(row, ended.get(row["number"], set()), key, now)]
            for row in due:
                self._publish(connection, row["number"], ended.get(row["number"], set()), key, now)
        return len(due)

    def _publish(
        self, connection: Connection, number: int, ended: Collection[int], key: SigningKey, now: datetime
    ) -> None:
        address, method = status_list_address(self._public_url, number), verification_method(self._issuer, key.id)
        listed = lists.status_list(
            address, self._issuer, ended, valid_from=now, valid_until=now + _LIST_VALID, ttl=LIST_LIFE
        )
        signed = to_bytes(with_proof(listed, key.private, method, now))
        credentials.publish_list(connection, number, signed, as_jwt(listed, key.private, method))

    def _is_current(self, row: RowMapping, ended: Collection[int], key: SigningKey, now: datetime) -> bool:
        if row["credential"] is None:
            return False
        listed: dict[str, Any] = json.loads(row["credential"])
        return (
            listed["id"] == status_list_address(self._public_url, row["number"])
            and listed["proof"]["verificationMethod"] == verification_method(self._issuer, key.id)
            and datetime.fromisoformat(listed["validFrom"]) + _SIGNED_ANEW > now
            and lists.decode(listed["credentialSubject"]["encodedList"]) == ended
        )
