"""``laurel roster``: rosters of who took part, previewed and applied as staff do over HTTP."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.errors import StackError

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from domain.rosters import Roster

# ruff: noqa: PLC0415

app = typer.Typer(help="Rosters of who took part.", no_args_is_help=True)

DataDir = Annotated[Path | None, typer.Option(help="The data folder of the stack whose database is meant.")]

_SHOWN_PROBLEMS = 20


@app.command(name="preview")
def preview_roster(
    slug: Annotated[str, typer.Argument(help="The CE activity.")],
    file: Annotated[
        Path,
        typer.Argument(help="The roster, a CSV file: docs/rosters.md.", exists=True, dir_okay=False, readable=True),
    ],
    *,
    replace: Annotated[bool, typer.Option("--replace", help="Remove entries that the file does not name.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Read a roster and say what applying it would do; nothing is applied yet."""
    import hashlib

    from cli.actor import cli_actor
    from domain.identities import new_id
    from storage import queries, rosters

    raw = file.read_bytes()
    roster, roster_id = _read(file, raw), new_id("ros")

    async def keep(connection: "AsyncConnection") -> list[str]:
        ce_activity = await queries.ce_activity(connection, slug)
        if ce_activity is None:
            raise StackError("there is no such CE activity; publish it with laurel import")
        upload = rosters.Upload(
            id=roster_id,
            ce_activity_id=ce_activity.id,
            file_name=file.name,
            sha256=hashlib.sha256(raw).digest(),
            actor=cli_actor(),
            is_replacement=replace,
        )
        await rosters.preview(connection, upload, roster)
        return await _described(connection, roster_id)

    _print_after(data_dir, keep)
    if roster.ignored:
        print(f"columns that were not used: {', '.join(roster.ignored)}")
    print(f"apply it with: laurel roster apply {roster_id}")


def _read(file: Path, raw: bytes) -> "Roster":
    from cli.terminal import progress_printer
    from domain.rosters import RosterError, read_roster

    try:
        roster = read_roster(raw)
    except RosterError as error:
        raise StackError(": ".join(filter(None, (str(file), error.place, str(error))))) from error
    progress_printer()(f"{len(roster.lines)} rows are read")
    return roster


@app.command(name="apply")
def apply_roster(
    roster_id: Annotated[str, typer.Argument(help="What laurel roster preview printed.")], *, data_dir: DataDir = None
) -> None:
    """Do what the preview said, all of it or nothing; a roster that is applied already stays as it is."""
    from cli.actor import cli_actor
    from cli.terminal import progress_printer
    from storage import roster_views, rosters

    async def apply(connection: "AsyncConnection") -> list[str]:
        if await roster_views.roster(connection, roster_id) is None:
            raise StackError("there is no such roster; upload it with laurel roster preview")
        try:
            await rosters.apply(connection, roster_id, cli_actor(), None)
        except rosters.PreviewOutdatedError:
            raise StackError("the roster changed since the preview; look at a new preview of the file") from None
        return await _described(connection, roster_id)

    progress_printer()("applying")
    _print_after(data_dir, apply)


async def _described(connection: "AsyncConnection", roster_id: str) -> list[str]:
    """What a roster does or did, in lines to print, its first problems first."""
    from dataclasses import asdict

    from storage import roster_views

    described = []
    for line in await roster_views.first_problems(connection, roster_id, _SHOWN_PROBLEMS):
        for problem in line.problems:
            column = f"{problem.column}: " if problem.column else ""
            others = f" (lines {', '.join(map(str, problem.lines))})" if problem.lines else ""
            described.append(f"line {line.line}: {column}{problem.code.words}{others}")
    view = await roster_views.roster(connection, roster_id)
    counts = asdict(await roster_views.counts(connection, roster_id))
    state = view.state if view else "gone"
    return [*described, f"{roster_id} is {state}: {', '.join(f'{count} {name}' for name, count in counts.items())}"]


def _print_after(data_dir: Path | None, work: "Callable[[AsyncConnection], Awaitable[list[str]]]") -> None:
    """Do the work in one transaction, and print what it returns once it is committed."""
    from cli.main import database_url, mendable
    from storage.database import create_api_engine

    async def run() -> list[str]:
        engine = create_api_engine(database_url(data_dir), 1)
        try:
            async with engine.begin() as connection:
                return await work(connection)
        finally:
            await engine.dispose()

    with mendable():
        lines = asyncio.run(run())
    print("\n".join(lines))
