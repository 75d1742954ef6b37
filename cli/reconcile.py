"""``laurel reconcile``: whatever the record still expects something of has a workflow that runs, and nothing else has.

For the day on which Temporal's database, or the record, was lost or restored; on every other day it changes nothing.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from cli.errors import StackError

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from temporalio.client import Client
    from temporalio.common import TypedSearchAttributes

    from storage.unfinished import Expected, Register
    from workflows.presence import Kind

# ruff: noqa: PLC0415

_PAGE: Final = 500
_AT_ONCE: Final = 20
_PATIENCE: Final = timedelta(seconds=10)
# What differs at one moment may have been about to agree.
_PAUSE: Final = timedelta(seconds=2)
_UNKNOWN: Final = "laurel reconcile: the record knows nothing of it"

Say = Callable[[str], None]


@dataclass(slots=True)
class Counts:
    """What was found among the workflows of one kind.

    ``open`` are those that the record expects; of these ``missing`` had no workflow and ``differing`` had one that did
    not know what the record knows. ``superfluous`` ran for what is closed, and ``unknown`` for what the record lacks.
    ``failed`` could not be looked at, or not be helped.
    """

    open: int = 0
    missing: int = 0
    differing: int = 0
    superfluous: int = 0
    unknown: int = 0
    failed: int = 0

    @property
    def is_clean(self) -> bool:
        """Whether the record and Temporal agree."""
        return self == Counts(open=self.open)


@dataclass
class Reconciliation:
    """One round through everything. With ``is_check`` it only looks. Any number may run at once, beside everything."""

    engine: "Engine"
    client: "Client"
    is_check: bool = False
    say: Say = lambda _line: None
    counts: dict[str, Counts] = field(default_factory=dict)

    async def run(self) -> dict[str, Counts]:
        """Look at claims, corrections and merges, in this order; answers with what was found, by their names."""
        from storage.unfinished import CLAIMS, CORRECTIONS, MERGES
        from workflows.presence import Kind

        for name, kind, register in (
            ("claims", Kind.CLAIM, CLAIMS),
            ("corrections", Kind.CORRECTION, CORRECTIONS),
            ("merges", Kind.MERGE, MERGES),
        ):
            self.counts[name] = await _Round(self, name, kind, register).run()
        return self.counts


class _Round:
    """One kind: everything that is open and everything that runs is looked at, and what is doubtful once more."""

    def __init__(self, whole: Reconciliation, name: str, kind: "Kind", register: "Register") -> None:
        self._whole = whole
        self._client = whole.client
        self._name = name
        self._kind = kind
        self._register = register
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._doubtful: set[str] = set()
        self._counts = Counts()

    async def run(self) -> Counts:
        await self._look_at_open()
        await self._look_at_running()
        if self._doubtful:
            await asyncio.sleep(_PAUSE.total_seconds())
            await self._settle_all(sorted(self._doubtful))
        return self._counts

    async def _look_at_open(self) -> None:
        """Note what has no workflow that runs, or another one than the record would have."""
        total = await self._ask(self._register.count)
        after = ""
        while ids := await self._ask(self._register.open_ids, after, _PAGE):
            found = await self._ask(self._register.look_up, ids)
            expected = [each for each in found.values() if each.is_open]
            self._counts.open += len(expected)
            await self._each(self._look, expected)
            after = ids[-1]
            self._whole.say(f"{self._name}: {self._counts.open} of {total} looked at")

    async def _look(self, expected: "Expected") -> None:
        from workflows import presence

        shown = await presence.shown(self._client, self._kind, expected.id)
        if shown is None or _differs(expected, shown):
            self._doubtful.add(expected.id)

    async def _look_at_running(self) -> None:
        """Note what runs although the record has nothing left to do for it."""
        from workflows import presence

        async for ids in presence.running(self._client, self._kind):
            found = await self._ask(self._register.look_up, ids)
            self._doubtful |= {each for each in ids if each not in found or not found[each].is_open}

    async def _settle_all(self, ids: Sequence[str]) -> None:
        for start in range(0, len(ids), _PAGE):
            page = ids[start : start + _PAGE]
            found = await self._ask(self._register.look_up, page)
            known = [each for each in page if each in found]
            await self._each(self._settle, [found[each] for each in known])
            await self._each(self._end_unknown, [each for each in page if each not in found])
            self._whole.say(f"{self._name}: {start + len(page)} of {len(ids)} that differed settled")

    async def _settle(self, expected: "Expected") -> None:
        from workflows import presence

        shown = await presence.shown(self._client, self._kind, expected.id)
        if shown is None and expected.is_open:
            self._counts.missing += 1
            if not self._whole.is_check:
                await self._start(expected)
        elif shown is not None and (not expected.is_open or _differs(expected, shown)):
            if expected.is_open:
                self._counts.differing += 1
            else:
                self._counts.superfluous += 1
            if not self._whole.is_check:
                await presence.tell(self._client, self._kind, expected.id)

    async def _end_unknown(self, row_id: str) -> None:
        from workflows import presence

        if await presence.shown(self._client, self._kind, row_id) is None:
            return
        self._counts.unknown += 1
        if not self._whole.is_check:
            await presence.end(self._client, self._kind, row_id, _UNKNOWN)

    async def _start(self, expected: "Expected") -> None:
        """Start a workflow, unless somebody else did: its first act reads the record."""
        from workflows import delivery
        from workflows.presence import Kind

        filters: dict[str, Any] = {"ce_activity": expected.ce_activity, "provider": expected.provider}
        match self._kind:
            case Kind.CLAIM:
                names = ("stage", "stage_since_at", "due_at")
                filters |= {name: getattr(expected, name) for name in names}
                outline = delivery.ClaimOutline(claim_id=expected.id, **filters)
                await delivery.start_if_absent(self._client, outline, _PATIENCE)
            case Kind.CORRECTION:
                correction = delivery.CorrectionOutline(
                    correction_id=expected.id, is_decided=expected.is_decided, **filters
                )
                await delivery.start_correction(self._client, correction, _PATIENCE)
            case Kind.MERGE:
                await delivery.start_merge(self._client, expected.id, _PATIENCE)

    async def _each(self, act: Callable[[Any], Awaitable[None]], these: Iterable[Any]) -> None:
        """Do something about each of these, some at once; what fails is counted, and the rest goes on."""
        from temporalio.service import RPCError

        async def do(one: Any) -> None:
            async with self._slots:
                try:
                    await act(one)
                except RPCError:
                    self._counts.failed += 1

        await asyncio.gather(*(do(each) for each in these))

    async def _ask(self, question: Callable[..., Any], *arguments: Any) -> Any:
        def ask() -> Any:
            with self._whole.engine.connect() as connection:
                return question(connection, *arguments)

        return await asyncio.to_thread(ask)


def _differs(expected: "Expected", shown: "TypedSearchAttributes") -> bool:
    """Whether a workflow that runs knows something else than the record, or did not take what the record has for it."""
    from workflows.contract import CLAIM_ATTENTION, CLAIM_DUE_AT, CLAIM_STAGE

    if expected.is_waiting:
        return True
    # Only claims have a stage; and a deadline that was taken away stays on show.
    if_known = [(CLAIM_STAGE, expected.stage), (CLAIM_DUE_AT, expected.due_at)]
    pairs = [(CLAIM_ATTENTION, expected.attention), *(pair for pair in if_known if pair[1] is not None)]
    return any(shown.get(key) != value for key, value in pairs)  # type: ignore[call-overload]


def reconcile(
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Only say what is missing; exit with 1 if anything is.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
    data_dir: Annotated[Path | None, typer.Option(help="The data folder of the stack that is meant.")] = None,
) -> None:
    """Start the workflow of everything that is open and has none, and let those read the record that differ from it."""
    from cli.local.folders import running_stack
    from cli.main import database_url, mendable

    stack = running_stack(data_dir)
    address = stack.temporal_address if stack else "localhost:7233"

    def say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    with mendable():
        counts = asyncio.run(_reconcile(database_url(data_dir), address, is_check=check, say=say))
    if as_json:
        print(json.dumps({name: asdict(found) for name, found in counts.items()}, indent=2))
    else:
        for name, found in counts.items():
            print(_told(name, found, is_check=check))
    is_well = all(found.is_clean if check else not found.failed for found in counts.values())
    raise typer.Exit(0 if is_well else 1)


async def _reconcile(database_url: str, temporal_address: str, *, is_check: bool, say: Say) -> dict[str, Counts]:
    from temporalio.service import RPCError

    from config.temporal import connect
    from storage.database import create_sync_engine

    engine = create_sync_engine(database_url, 2)
    try:
        client = await connect(address=temporal_address)
        return await Reconciliation(engine, client, is_check=is_check, say=say).run()
    except (RPCError, RuntimeError) as error:
        msg = f"Temporal cannot be used: {error}"
        raise StackError(msg) from error
    finally:
        engine.dispose()
        # Temporal's runtime may abort an interpreter that ends while its client still closes (SDK issue 300).
        await asyncio.sleep(0.05)


def _told(name: str, counts: Counts, *, is_check: bool) -> str:
    """What was found, in one line, and what was done about it."""
    found = (
        (counts.missing, "without a workflow", "started"),
        (counts.differing, "with one that differs from the record", "told to read it"),
        (counts.superfluous, "closed, with one that still runs", "told to end"),
        (counts.unknown, "not in the record, with one that runs", "ended"),
        (counts.failed, "not looked at, because Temporal did not answer", "try again"),
    )
    parts = [f"{number} {words}" + ("" if is_check else f": {done}") for number, words, done in found if number]
    return f"{name:<13}{counts.open} open; {'; '.join(parts) or 'all as it should be'}"
