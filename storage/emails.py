"""Outgoing e-mails in the record: one row per logical e-mail, moved on as it is handed to the mail server."""

from datetime import timedelta
from typing import Final

from sqlalchemy import Connection, RowMapping, exists, func, null, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import aliased

from domain.identities import derived_id
from domain.notices import NoticePurpose
from storage.tables import (
    AccountRow,
    AwardRow,
    CEActivityRow,
    CertificateRow,
    LearnerRow,
    OutgoingEmailRow,
    SignInLinkRow,
)

# A message that is being sent counts as lost after this long, and is sent again under the same Message-ID.
_SENDING_LIMIT: Final = timedelta(minutes=2)


def award_email(connection: Connection, claim_id: str) -> RowMapping | None:
    """What the e-mail about a claim's current certificate says and, as of now, to which ``address``.

    ``is_reinstated`` if the version before was revoked. None until the certificate is issued; one that is issued
    elsewhere is not waited for.
    """
    before = aliased(CertificateRow)
    revoked = exists().where(before.superseded_by == CertificateRow.id, before.revocation_class.is_not(None))
    return (
        connection.execute(
            select(
                OutgoingEmailRow.id,
                OutgoingEmailRow.state,
                OutgoingEmailRow.created_at,
                CEActivityRow.slug,
                AwardRow.version_id,
                CertificateRow.data,
                AccountRow.email.label("address"),
                AccountRow.language,
                revoked.label("is_reinstated"),
            )
            .join(CertificateRow, CertificateRow.id == OutgoingEmailRow.subject_id)
            .join(AwardRow, AwardRow.id == CertificateRow.award_id)
            .join(CEActivityRow, CEActivityRow.id == AwardRow.ce_activity_id)
            .join(LearnerRow, LearnerRow.id == AwardRow.learner_id)
            .join(AccountRow, AccountRow.id == LearnerRow.account_id)
            .where(
                AwardRow.claim_id == claim_id,
                AwardRow.state == "active",
                CertificateRow.state.in_(("issued", "elsewhere")),
                OutgoingEmailRow.purpose == NoticePurpose.AWARD,
            )
        )
        .mappings()
        .one_or_none()
    )


def begin_sending(connection: Connection, email_id: str, recipient: str) -> None:
    """Note that the e-mail is being handed to the mail server, so that a lost reply can be told from silence."""
    connection.execute(
        update(OutgoingEmailRow)
        .where(OutgoingEmailRow.id == email_id, OutgoingEmailRow.state.not_in(("sent", "dropped")))
        .values(state="sending", tries=OutgoingEmailRow.tries + 1, recipient=recipient)
    )


def mark_sent(connection: Connection, email_id: str) -> bool:
    """Note that the mail server took the e-mail; False when that was noted before."""
    sent = connection.execute(
        update(OutgoingEmailRow)
        .where(OutgoingEmailRow.id == email_id, OutgoingEmailRow.state.not_in(("sent", "dropped")))
        .values(state="sent", sent_at=func.clock_timestamp(), last_error=None)
        .returning(OutgoingEmailRow.id)
    ).one_or_none()
    return sent is not None


def mark_failed(connection: Connection, email_id: str, error: str, *, is_final: bool, again_in: timedelta) -> None:
    """Note why the mail server did not take the e-mail: a code, and when to try again unless that is pointless."""
    connection.execute(
        update(OutgoingEmailRow)
        .where(OutgoingEmailRow.id == email_id, OutgoingEmailRow.state != "sent")
        .values(
            state="failed" if is_final else "queued",
            last_error=error,
            send_after=func.clock_timestamp() + again_in,
        )
    )


def queue_notice(connection: Connection, purpose: NoticePurpose, claim_id: str, occasion: str) -> bool:
    """Queue a notice about a claim, in the transaction of what causes it; False when this occasion has one already.

    To whom it goes, and whether it is still wanted, is decided when it is sent (``domain.notices``).
    """
    notice = {
        "id": derived_id("eml", purpose, claim_id, occasion),
        "purpose": purpose,
        "subject_id": f"{claim_id}:{occasion}",
        "claim_id": claim_id,
        "recipient": "",
        "state": "queued",
    }
    queued = upsert(OutgoingEmailRow).values(**notice).on_conflict_do_nothing().returning(OutgoingEmailRow.id)
    return connection.execute(queued).one_or_none() is not None


def queue_checkpoint(connection: Connection, tree_size: int, address: str) -> bool:
    """Queue the e-mail of a day (UTC) that carries this checkpoint; False when the day, or the checkpoint, has one."""
    day = connection.execute(select(func.date(func.timezone("UTC", func.clock_timestamp())))).scalar_one()
    email = {
        "id": derived_id("eml", NoticePurpose.AUDIT_CHECKPOINT, str(day)),
        "purpose": NoticePurpose.AUDIT_CHECKPOINT,
        "subject_id": str(tree_size),
        "recipient": address,
        "state": "queued",
    }
    queued = upsert(OutgoingEmailRow).values(**email).on_conflict_do_nothing().returning(OutgoingEmailRow.id)
    return connection.execute(queued).one_or_none() is not None


def take_email(connection: Connection) -> RowMapping | None:
    """Take the most urgent e-mail that is due, so that no other process sends it now; None when there is none.

    Sign-in links come first, then notices by age. One whose sender died is due again after two minutes. Awards' e-mails
    are sent by their claims' workflows.
    """
    return connection.execute(_TAKE, {"limit": _SENDING_LIMIT}).mappings().one_or_none()


_TAKE: Final = text(
    """
    UPDATE outgoing_emails SET state = 'sending', tries = tries + 1, send_after = clock_timestamp() + :limit
     WHERE id = (SELECT id FROM outgoing_emails
                  WHERE state IN ('queued', 'sending') AND purpose <> 'award' AND send_after <= now()
                  ORDER BY (purpose <> 'sign_in_link'), send_after FOR UPDATE SKIP LOCKED LIMIT 1)
    RETURNING id, purpose, subject_id, claim_id, recipient, created_at, tries
    """
)


def sign_in_link(connection: Connection, link_id: str) -> RowMapping | None:
    """What a sign-in e-mail carries: ``token``, until that is forgotten, and ``expires_at``; None when it is gone.

    ``language`` is the one that was chosen under the account, or in which the link was asked for.
    """
    chosen = select(AccountRow.language).where(func.lower(AccountRow.email) == func.lower(SignInLinkRow.email))
    language = func.coalesce(chosen.limit(1).scalar_subquery(), SignInLinkRow.language).label("language")
    query = select(SignInLinkRow.token, SignInLinkRow.expires_at, language).where(SignInLinkRow.id == link_id)
    return connection.execute(query).mappings().one_or_none()


def note_recipient(connection: Connection, email_id: str, recipient: str) -> None:
    """Note to whom an e-mail that was taken is about to go."""
    connection.execute(update(OutgoingEmailRow).where(OutgoingEmailRow.id == email_id).values(recipient=recipient))


def drop(connection: Connection, email_id: str, reason: str) -> None:
    """Note that an e-mail is not wanted any more; ``reason`` is a code."""
    connection.execute(
        update(OutgoingEmailRow)
        .where(OutgoingEmailRow.id == email_id, OutgoingEmailRow.state != "sent")
        .values(state="dropped", last_error=reason)
    )


def drop_award_email(connection: Connection, claim_id: str, reason: str) -> None:
    """Note that the e-mail about a claim's award is not needed any more; ``reason`` is a code."""
    connection.execute(
        update(OutgoingEmailRow)
        .where(
            OutgoingEmailRow.claim_id == claim_id,
            OutgoingEmailRow.purpose == NoticePurpose.AWARD,
            OutgoingEmailRow.state != "sent",
        )
        .values(state="dropped", last_error=reason)
    )


def forget_token(connection: Connection, link_id: str) -> None:
    """Forget a sign-in token once its mail is on its way, or never will be; its hash is enough to check it."""
    connection.execute(update(SignInLinkRow).where(SignInLinkRow.id == link_id).values(token=null()))
