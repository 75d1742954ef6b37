"""The checkpointer: makes leaves of new audit entries, stores the tree's root, signs it, and publishes the signed note.

In this order, so that a process that dies between any two steps leaves nothing that the next round cannot finish: the
root that is signed is the one that was stored, there is one per size of the tree, and what was signed is published.
"""

import asyncio
import os
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final

import structlog
from sqlalchemy import Connection, Engine

from config.crash_points import crash_point
from config.keys import KeyFolder, KeyMissingError, KeyPurpose, SigningKey
from domain.merkle import Frontier, prove_consistency, verify_consistency
from domain.signed_notes import Checkpoint, NoteError, format_note, log_origin, notes_in, open_note
from storage import audit_log
from storage.audit_log import StoredCheckpoint, StoredTree, is_signed_by
from storage.emails import queue_checkpoint
from storage.keys import public_keys

logger = structlog.get_logger(__name__)

# Leaves appear soon after their entries, so that little is left to do when a checkpoint is due.
_PAUSE: Final = timedelta(seconds=2)
# Beside the key: a database that was set back to an earlier day, with all its signatures, is found out by it.
NEWEST_NOTE: Final = "newest-checkpoint.note"
# The newest notes of a file are in its last bytes.
_TAIL: Final = 8192


class HistoryChangedError(Exception):
    """The tree does not begin with the one that was signed before: nothing more is signed until a person has looked."""


class Checkpointer:
    """Any number may run; one at a time adds to the tree, and each publishes to the file of its own machine."""

    def __init__(
        self, engine: Engine, keys_dir: Path, public_url: str, *, file: Path | None = None, address: str | None = None
    ) -> None:
        self._engine = engine
        self._keys = KeyFolder(keys_dir)
        self._kept = keys_dir / NEWEST_NOTE
        self._origin = log_origin(public_url)
        self._file = file
        self._address = address

    async def run(self, every: timedelta = timedelta(seconds=60), pause: timedelta = _PAUSE) -> None:
        """Number entries as they come, and make a checkpoint of what is new, for ever."""
        clock = asyncio.get_running_loop().time
        due = clock()
        while True:
            await self._try(self.number_all)
            if clock() >= due:
                due = clock() + every.total_seconds()
                await self._try(self.checkpoint)
            await asyncio.sleep(pause.total_seconds())

    async def _try(self, step: Callable[[], object]) -> None:
        try:
            await asyncio.to_thread(step)
        except HistoryChangedError as error:
            logger.critical("the audit trail was changed; run laurel audit verify --all", found=str(error))
        except Exception as error:  # noqa: BLE001  # database, key or anchor may be away; the next round tries again
            logger.warning("checkpointer pauses", step=step.__name__, error=type(error).__name__)

    def number_all(self) -> int:
        """Make leaves of all entries that none can precede any more; answers how many."""
        total = 0
        while count := self._number():
            total += count
        return total

    def _number(self) -> int:
        with self._engine.begin() as connection:
            return audit_log.number_entries(connection) if audit_log.take_turn(connection) else 0

    def checkpoint(self) -> None:
        """Store the root if the tree has grown, then sign what is stored, then publish what is signed."""
        crash_point("checkpoint.begun")
        with self._engine.begin() as connection:
            if audit_log.take_turn(connection):
                audit_log.store_checkpoint(connection)
        crash_point("checkpoint.stored")
        self.sign_stored()
        crash_point("checkpoint.signed")
        self.publish()

    def sign_stored(self) -> int:
        """Sign each stored root whose tree begins with the one signed before; answers how many."""
        with self._engine.begin() as connection:
            if not audit_log.take_turn(connection) or not (waiting := audit_log.unsigned_checkpoints(connection)):
                return 0
            key = _newest_key(connection, self._keys)
            last = audit_log.last_signed_checkpoint(connection)
            _prove_kept(connection, self._kept)
            for stored in waiting:
                if last is not None:
                    _prove(connection, last, stored)
                note = format_note(Checkpoint(self._origin, stored.size, stored.root), key.public, key.private.sign)
                audit_log.sign_checkpoint(connection, stored.size, note, key.id)
                last = stored
            return len(waiting)

    def publish(self) -> None:
        """Keep the newest note beside the key, append all to the anchor file, queue a day's e-mail."""
        with self._engine.connect() as connection:
            newest = audit_log.last_signed_checkpoint(connection)
        if newest is None or newest.note is None:
            return
        _keep(self._kept, newest.note)
        if self._file is not None:
            append_notes(self._file, self._signed_after)
        if self._address is not None:
            with self._engine.begin() as connection:
                queue_checkpoint(connection, newest.size, self._address)

    def _signed_after(self, size: int) -> Sequence[StoredCheckpoint]:
        with self._engine.connect() as connection:
            return audit_log.signed_checkpoints_after(connection, size)


def append_notes(file: Path, signed_after: Callable[[int], Sequence[StoredCheckpoint]]) -> None:
    """Append every signed note that the file lacks, and see it written. Half a note, from a crash, is left behind."""
    with file.open("a+b") as stream:
        stream.seek(max(0, stream.seek(0, os.SEEK_END) - _TAIL))
        tail = stream.read().decode(errors="replace")
        size = max((Checkpoint.parse(note).size for note in notes_in(tail)), default=0)
        gap = "" if not tail or tail.endswith("\n\n") else "\n\n"
        while signed := signed_after(size):
            stream.write((gap + "".join(f"{each.note}\n" for each in signed)).encode())
            size, gap = signed[-1].size, ""
        stream.flush()
        os.fsync(stream.fileno())


def kept_note(keys_dir: Path) -> str:
    """What the process that signs knows of the newest checkpoint, whatever the database says; empty at first."""
    file = keys_dir / NEWEST_NOTE
    return file.read_text() if file.exists() else ""


def _keep(file: Path, note: str) -> None:
    if file.exists() and file.read_text() == note:
        return
    new = file.with_suffix(".new")
    new.write_text(note)
    with new.open("rb") as stream:
        os.fsync(stream.fileno())
    new.replace(file)


def _prove_kept(connection: Connection, file: Path) -> None:
    """See that the tree begins with the one that was signed here last, even if the database forgot that one."""
    for note in notes_in(kept_note(file.parent)):
        kept = Checkpoint.parse(note)
        if kept.size > audit_log.tree_size(connection):
            raise HistoryChangedError(f"a tree of {kept.size} was signed here, and this one is smaller")
        if Frontier.at(kept.size, StoredTree(connection)).root() != kept.root:
            raise HistoryChangedError(f"the tree does not begin with the one of {kept.size} that was signed here")


def _prove(connection: Connection, last: StoredCheckpoint, stored: StoredCheckpoint) -> None:
    """See that the tree begins with the one that was signed last, and that this one was signed by a key of ours."""
    if last.note is not None:
        publics = [key.public_key for key in public_keys(connection, KeyPurpose.AUDIT)]
        try:
            checkpoint, _ = open_note(last.note, publics, is_signed_by)
        except NoteError as error:
            raise HistoryChangedError(f"the checkpoint of {last.size}: {error}") from error
        if (checkpoint.size, checkpoint.root) != (last.size, last.root):
            raise HistoryChangedError(f"the checkpoint of {last.size} is not the one that was signed")
    if last.size >= stored.size:
        raise HistoryChangedError(f"a tree of {stored.size} was stored after one of {last.size} was signed")
    proof = prove_consistency(StoredTree(connection), last.size, stored.size)
    if not verify_consistency(last.size, last.root, stored.size, stored.root, proof):
        raise HistoryChangedError(f"the tree of {stored.size} does not begin with the one of {last.size}")


def _newest_key(connection: Connection, folder: KeyFolder) -> SigningKey:
    """The newest key that may sign and whose private half is here; raises ``KeyMissingError``."""
    for published in reversed(public_keys(connection, KeyPurpose.AUDIT)):
        if published.may_sign and published.id in folder.ids(KeyPurpose.AUDIT):
            key = folder.key(published.id)
            if key.public == published.public_key:
                return key
    raise KeyMissingError(KeyPurpose.AUDIT)
