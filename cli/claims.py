"""``laurel claims``: what the office's page about stuck claims shows, for whoever is at the terminal."""

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from storage.stuck import StuckGroup

# ruff: noqa: PLC0415

app = typer.Typer(help="Claims that need somebody.", no_args_is_help=True)


@app.callback()
def claims() -> None:
    """Keep ``stuck`` a command of its own although it is the only one."""


@app.command(name="stuck")
def show_stuck_claims(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the groups as the API has them.")] = False,
    data_dir: Annotated[Path | None, typer.Option(help="The data folder of the stack whose database is meant.")] = None,
) -> None:
    """Print claims that do not go on by themselves, by reason, with what to do; exit with 1 if there are any."""
    from api.v1.stuck import group_json
    from cli.main import database_url, mendable

    with mendable():
        groups = asyncio.run(_read(database_url(data_dir)))
    if as_json:
        print(json.dumps([group_json(group) for group in groups], indent=2))
    else:
        print("\n\n".join(_told(group) for group in groups) or "every claim goes on by itself or waits for its learner")
    raise typer.Exit(1 if groups else 0)


async def _read(database_url: str) -> "list[StuckGroup]":
    from storage.database import create_api_engine
    from storage.stuck import stuck_groups

    engine = create_api_engine(database_url, 1)
    try:
        async with engine.connect() as connection:
            return await stuck_groups(connection)
    finally:
        await engine.dispose()


def _told(group: "StuckGroup") -> str:
    """A group as a few lines: how many, since when, why, what to do, and the oldest claims."""
    from api.stuck_words import STUCK_WORDS, error_words

    words = STUCK_WORDS[group.reason]
    lines = [f"{words.title} ({group.reason}): {group.claims}, the oldest since {group.since:%Y-%m-%d %H:%M} UTC"]
    lines += [f"  last error: {error_words(code)} ({code})" for code in group.last_errors]
    lines += [f"  {words.suggestion}"]
    lines += [f"  {each.claim_id}" for each in group.oldest]
    return "\n".join(lines)
