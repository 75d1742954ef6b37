"""``laurel issuance``: pausing all awards and certificates of a provider, or of all, and letting them go on."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.errors import StackError
from domain.reasons import PauseReason, ResumptionReason

if TYPE_CHECKING:
    from storage.issuance import IssuancePause

# ruff: noqa: PLC0415

app = typer.Typer(help="The issuance pause.", no_args_is_help=True)

Provider = Annotated[str | None, typer.Option(help="The provider's slug; without it, every provider.")]
Reason = Annotated[str, typer.Option(help="Why; kept in the record.")]
DataDir = Annotated[Path | None, typer.Option(help="The data folder of the stack whose database is meant.")]


@app.command(name="pause")
def pause_issuance(
    *,
    reason: Reason,
    provider: Provider = None,
    reason_code: Annotated[PauseReason, typer.Option(help="What kind of reason.")] = PauseReason.OTHER,
    data_dir: DataDir = None,
) -> None:
    """Let no credit be awarded and no certificate be made, until issuance is resumed."""
    from cli.actor import cli_actor
    from cli.main import database_url, mendable
    from storage import issuance
    from storage.acts import Actor
    from storage.integrations import connected

    with mendable(), connected(database_url(data_dir)) as connection:
        try:
            pause, is_new = issuance.place(connection, provider, reason_code, reason, Actor(cli_actor()))
        except issuance.UnknownProviderError:
            raise StackError("no provider with this slug has published a CE activity") from None
    print(f"{pause.id} {'pauses' if is_new else 'already pauses'} issuance of {_whose(pause)}")


@app.command(name="resume")
def resume_issuance(
    *,
    reason: Reason,
    provider: Provider = None,
    reason_code: Annotated[ResumptionReason, typer.Option(help="What kind of reason.")] = ResumptionReason.OTHER,
    data_dir: DataDir = None,
) -> None:
    """Lift the pause of a provider, or the one of every provider; what waited is issued by itself."""
    from cli.actor import cli_actor
    from cli.main import database_url, mendable
    from storage import issuance
    from storage.acts import Actor
    from storage.integrations import connected

    with mendable(), connected(database_url(data_dir)) as connection:
        pause = issuance.in_force(connection, provider)
        if pause is None:
            raise StackError("no such pause is in force; laurel issuance list shows those that are")
        issuance.lift(connection, pause.id, reason_code, reason, Actor(cli_actor()))
        others = issuance.listed(connection)
    print(f"{pause.id} pauses issuance of {_whose(pause)} no more")
    for other in others:
        print(f"{other.id} still pauses issuance of {_whose(other)}")


@app.command(name="list")
def list_pauses(
    *,
    with_lifted: Annotated[bool, typer.Option("--all", help="Also those that were lifted.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Print the pauses in force, and how much waits: id, whose, since when, by whom, which kind of reason."""
    from cli.main import database_url, mendable
    from storage import issuance
    from storage.integrations import connected

    with mendable(), connected(database_url(data_dir)) as connection:
        pauses, waiting = issuance.listed(connection, with_lifted=with_lifted), issuance.waiting(connection)
    for pause in pauses:
        lifted = f", lifted {_time(pause.lifted_at)} by {pause.lifted_by}" if pause.lifted_at else ""
        since = f"since {_time(pause.placed_at)} by {pause.placed_by}"
        print(f"{pause.id}  {_whose(pause)}  {pause.reason_code}  {since}{lifted}")
    print(f"waiting: {waiting.claims} claims, {waiting.corrections} corrections")


def _time(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _whose(pause: "IssuancePause") -> str:
    return pause.provider or "every provider"
