"""Entries of the audit trail for those who may read them: a claim's learner, staff, auditors."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from api.sentences import sentence
from api.services import Services
from api.views import time_json
from config.languages import gettext, marked
from domain.policy import CEActivityPolicy
from domain.replay import COLUMNS
from storage import history
from storage.history import AccountName, TrailEntry

_SYSTEM: Final = "laurel"
_GONE: Final = marked("What was entered here was removed at the end of its retention.")
# What an entry says of the claim's row beside the fact itself; staff and auditors read it in full.
_OF_THE_ROW: Final = frozenset(COLUMNS) - {"credit_type", "due_at", "participation", "statement"}
# Which entry of a roster was named, least of all if it is somebody else's, is nothing for a learner to know.
_FOR_THE_OFFICE: Final = frozenset({"roster_entry"})
# What staff write is for the office; whoever asks for more time is told why they get it, or why not.
_TOLD: Final = frozenset({"extension.accepted", "extension_refusal.accepted"})
_NOTE: Final = "note.added"
_KINDS: Final = {"cli": "command_line", "operator": "operator", "integration": "platform"}


def entry_json(
    entry: TrailEntry, reader: Collection[str], policy: CEActivityPolicy, *, is_office: bool
) -> dict[str, Any]:
    """One entry of a claim in words; the acts of the accounts ``reader`` are ``you``.

    A learner is told the reasons that they gave themselves, and why they have more time or not; the office, all.
    """
    body = entry.body or {}
    after, actor = body.get("after", {}), body.get("actor", _SYSTEM)
    private = dict(body.get("private") or {})
    reason = private.pop("reason", body.get("reason"))
    return {
        "seq": entry.seq,
        "at": _time(body.get("at")),
        "event": body.get("event"),
        "text": _text(entry, policy),
        "actor": "you" if actor in reader else "system" if actor == _SYSTEM else "other",
        "reason": reason if is_office or actor in reader or body.get("event") in _TOLD else None,
        "personal": private,
        "is_erased": _is_erased(entry),
        "stage": after.get("stage"),
        "details": _values({name: value for name, value in after.items() if name not in _OF_THE_ROW | _FOR_THE_OFFICE}),
        "submission": body.get("submission"),
        "request_id": body.get("request_id"),
    }


def audit_json(
    entry: TrailEntry, names: Mapping[str, AccountName], policy: CEActivityPolicy | None = None
) -> dict[str, Any]:
    """One entry with all that it says, for staff and auditors; ``names`` says who accounts are.

    ``policy`` is that of the claim which the entry is about.
    """
    body = entry.body or {}
    private = dict(body.get("private") or {})
    return {
        "stream": entry.stream,
        "seq": entry.seq,
        "recorded_at": time_json(entry.recorded_at),
        "at": _time(body.get("at")),
        "event": body.get("event"),
        "text": _text(entry, policy),
        "actor": actor_json(body.get("actor"), names),
        "before": _values(body.get("before", {})),
        "after": _values(body.get("after", {})),
        "reason": private.pop("reason", body.get("reason")),
        "personal": private,
        "is_erased": _is_erased(entry),
        "rule": body.get("rule"),
        "evidence": body.get("evidence", {}),
        "submission": body.get("submission"),
        "request_id": body.get("request_id"),
        "body_hash": entry.body_hash.hex(),
        "hash": entry.hash.hex(),
    }


def is_for_office(entry: TrailEntry) -> bool:
    """Whether an entry tells nothing of the claim, only what staff noted about it."""
    return entry.body is not None and entry.body["event"] == _NOTE


def actors_of(entries: Collection[TrailEntry]) -> set[str]:
    """The accounts that these entries say did something."""
    return accounts_among(entry.body["actor"] for entry in entries if entry.body)


def accounts_among(actors: Iterable[str | None]) -> set[str]:
    """The actors that are accounts."""
    return {actor for actor in actors if actor is not None and actor.startswith("acc_")}


async def names_of(services: Services, actors: Iterable[str | None]) -> Mapping[str, AccountName]:
    """Who these actors are, as far as they are accounts that still exist."""
    accounts = accounts_among(actors)
    return await services.database.statements(lambda c: history.names_of(c, accounts)) if accounts else {}


def _values(values: Mapping[str, Any]) -> dict[str, Any]:
    """An entry's values, with times written as everywhere else."""
    return {name: _time(value) if name.endswith("_at") else value for name, value in values.items()}


def _time(value: Any) -> Any:
    """What was meddled with may be no time at all, and is shown as it is."""
    try:
        return time_json(datetime.fromisoformat(value))
    except (TypeError, ValueError):
        return value


def _text(entry: TrailEntry, policy: CEActivityPolicy | None) -> str:
    """The entry as a sentence, in a claim's own time zone and with its sessions' titles."""
    if entry.body is None:
        return gettext(_GONE)
    titles = {session.code: session.title for session in policy.sessions} if policy else {}
    return sentence(entry.body["event"], entry.body.get("after", {}), policy.time_zone if policy else "UTC", titles)


def _is_erased(entry: TrailEntry) -> bool:
    """Whether something that was entered can't be read any more: its retention ended, or its key was destroyed."""
    return entry.body is None or ("private" in entry.body and entry.body["private"] is None)


def actor_json(actor: str | None, names: Mapping[str, AccountName]) -> dict[str, str | None] | None:
    """Who did something; ``names`` says who accounts are."""
    if actor is None:
        return None
    if actor in names:
        return {"kind": "account", "id": actor, "name": names[actor].name, "email": names[actor].email}
    prefix, separator, rest = actor.partition(":")
    if separator and prefix in _KINDS:
        return {"kind": _KINDS[prefix], "id": actor, "name": rest, "email": None}
    kind = "system" if actor == _SYSTEM else "account"
    return {"kind": kind, "id": actor, "name": "Laurel" if actor == _SYSTEM else None, "email": None}
