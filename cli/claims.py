"""``laurel claims``: which claims are stuck and why, one claim in detail, and what frees it, at the terminal."""

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import freeing
from cli.errors import StackError

if TYPE_CHECKING:
    from datetime import datetime

    from storage.stuck import StuckClaim, StuckGroup

# ruff: noqa: PLC0415

app = typer.Typer(help="Claims that need somebody.", no_args_is_help=True)

DataDir = Annotated[Path | None, typer.Option(help="The data folder of the stack whose claims are meant.")]


@app.command(name="stuck")
def show_stuck_claims(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the groups as the API has them.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Print claims that do not go on by themselves, by reason, with what to do; exit with 1 if there are any."""
    from sqlalchemy.exc import OperationalError

    from api.stuck_words import CAUSE_WORDS
    from api.v1.stuck import group_json
    from cli.main import with_quiet_end
    from domain.stuck import StuckCause

    try:
        groups = asyncio.run(with_quiet_end(_find(data_dir)))
    except OperationalError as error:
        words = CAUSE_WORDS[StuckCause.DATABASE_AWAY]
        msg = f"{words.title} ({StuckCause.DATABASE_AWAY}): {error.orig}\n  {words.meaning}\n  {words.suggestion}"
        raise StackError(msg) from error
    if as_json:
        print(json.dumps([group_json(group) for group in groups], indent=2))
    else:
        print("\n\n".join(_told(group) for group in groups) or "every claim goes on by itself or waits for its learner")
    raise typer.Exit(1 if groups else 0)


async def _find(data_dir: Path | None) -> "list[StuckGroup]":
    from api.stuck_claims import find_stuck_claims
    from cli.office import office

    async with office(data_dir) as desk:
        return await find_stuck_claims(desk.database, desk.gateway)


def _told(group: "StuckGroup") -> str:
    """A group as a few lines: how many, since when, why, what to do, and the oldest claims."""
    from api.stuck_words import CAUSE_WORDS, STUCK_WORDS, error_words

    words, cause = STUCK_WORDS[group.reason], CAUSE_WORDS[group.cause] if group.cause else None
    lines = [f"{words.title} ({group.reason}): {group.claims}, the oldest since {moment(group.since)}"]
    if cause is not None:
        lines.append(f"  cause: {cause.title} ({group.cause})")
    lines += [f"  last error: {error_words(code)} ({code})" for code in group.last_errors]
    lines.append(f"  {(cause or words).suggestion}")
    lines += [f"  {_line(each)}" for each in group.oldest]
    return "\n".join(lines)


def _line(claim: "StuckClaim") -> str:
    """A claim of a group, with its correction if that is parked: since when, how often tried, and when next."""
    facts = [f"since {moment(claim.since)}"]
    if claim.tries is not None:
        facts.append(f"{claim.tries} {'try' if claim.tries == 1 else 'tries'}")
    if claim.next_try_at is not None:
        facts.append(f"next {moment(claim.next_try_at)}")
    if claim.last_error is not None:
        facts.append(claim.last_error)
    about = f"{claim.claim_id}  {claim.correction_id}" if claim.correction_id else claim.claim_id
    return f"{about}  {', '.join(facts)}"


def moment(at: "datetime") -> str:
    """A time as operators compare it with logs."""
    from datetime import UTC

    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


@app.command(name="show")
def show_claim(claim: Annotated[str, typer.Argument(help="The claim's id.")], *, data_dir: DataDir = None) -> None:
    """Print where a claim is, what it waits for or fails at, its deadline, and what may be done to it now."""
    from cli.claim_details import described
    from cli.main import mendable, with_quiet_end
    from cli.office import office

    async def read() -> list[str]:
        async with office(data_dir) as desk:
            return await described(desk, claim)

    with mendable():
        lines = asyncio.run(with_quiet_end(read()))
    print("\n".join(lines))


freeing.add_to(app)
