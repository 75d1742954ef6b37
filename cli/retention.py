"""``laurel retention``: what is held, what is removed once its retention is over, and whom Laurel forgets."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from cli.errors import StackError

# ruff: noqa: PLC0415

app = typer.Typer(help="Retention of records, legal holds, erasure.", no_args_is_help=True)

Reason = Annotated[str, typer.Option(help="Why; kept in the record.")]
DataDir = Annotated[Path | None, typer.Option(help="The data folder of the stack whose database is meant.")]

_REFUSALS = {
    "legal_hold": "a legal hold is in force; laurel retention list shows it",
    "open_claim": "a claim of theirs is still open, or a correction; they end first",
    "unfinished_merge": "they are just being merged with another learner; try again in a minute",
}


@app.command(name="hold")
def place_hold(
    subject: Annotated[str, typer.Argument(help="A claim's id, a learner's id, or a CE activity's slug.")],
    *,
    reason: Reason,
    data_dir: DataDir = None,
) -> None:
    """Keep a record whatever its retention says, until the hold is released."""
    from cli.actor import cli_actor
    from cli.main import database_url, mendable
    from storage import legal_holds
    from storage.acts import Actor
    from storage.integrations import connected

    with mendable(), connected(database_url(data_dir)) as connection:
        try:
            hold = legal_holds.place(connection, subject, reason, Actor(cli_actor()))
        except legal_holds.UnknownSubjectError:
            raise StackError("there is no such claim, learner or CE activity") from None
    print(f"{hold.id} holds {hold.subject}")


@app.command(name="release")
def release_hold(
    hold_id: Annotated[str, typer.Argument(help="What laurel retention list shows.")],
    *,
    reason: Reason,
    data_dir: DataDir = None,
) -> None:
    """Lift a hold; one that was lifted stays as it is."""
    from sqlalchemy.exc import NoResultFound

    from cli.actor import cli_actor
    from cli.main import database_url, mendable
    from storage import legal_holds
    from storage.acts import Actor
    from storage.integrations import connected

    with mendable(), connected(database_url(data_dir)) as connection:
        try:
            hold = legal_holds.release(connection, hold_id, reason, Actor(cli_actor()))
        except NoResultFound:
            raise StackError("there is no such hold") from None
    print(f"{hold.id} holds {hold.subject} no more")


@app.command(name="list")
def list_holds(
    *,
    with_lifted: Annotated[bool, typer.Option("--all", help="Also those that were lifted.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Print the holds in force: id, what is held, since when, by whom."""
    from cli.main import database_url, mendable
    from storage import legal_holds
    from storage.integrations import connected

    with mendable(), connected(database_url(data_dir)) as connection:
        holds = legal_holds.listed(connection, with_lifted=with_lifted)
    for hold in holds:
        lifted = f", lifted {hold.lifted_at:%Y-%m-%d} by {hold.lifted_by}" if hold.lifted_at else ""
        print(f"{hold.id}  {hold.subject}  since {hold.placed_at:%Y-%m-%d} by {hold.placed_by}{lifted}")


@app.command(name="purge")
def purge_records(
    *,
    before: Annotated[
        datetime, typer.Option(formats=["%Y-%m-%d"], help="Take what may be removed since before this day.")
    ],
    authority: Annotated[str, typer.Option(help="On whose authority, such as the number of a records schedule.")] = "",
    apply: Annotated[bool, typer.Option("--apply", help="Remove it; without this it is only counted.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Count, or remove for ever, what people said and were in records whose retention is over."""
    from cli.actor import cli_actor
    from cli.main import mendable, owner_database_url
    from storage.acts import Actor
    from storage.database import create_sync_engine
    from storage.retention import Order, purge

    if apply and not authority.strip():
        raise StackError("say on whose authority: --authority 'records schedule 2033-4'")
    order = Order(before=before.date(), authority=authority.strip(), actor=Actor(cli_actor()))
    engine = create_sync_engine(owner_database_url(data_dir), pool_size=2)
    try:
        with mendable(ValueError):
            count = purge(engine, order, is_applied=apply)
    finally:
        engine.dispose()
    for what, standings in (("claims", count.claims), ("CE activities with rosters", count.rosters)):
        counts = ", ".join(f"{number} {standing.replace('_', ' ')}" for standing, number in sorted(standings.items()))
        print(f"{what}: {counts or 'none is old enough'}")
    if not apply:
        print("nothing was removed; --apply removes what is due")
    for table, number in sorted(count.removed.items()):
        print(f"removed from {table}: {number}")


@app.command(name="erase-contact")
def erase_contact(
    learner: Annotated[str, typer.Argument(help="The learner's id.")], *, reason: Reason, data_dir: DataDir = None
) -> None:
    """Remove how a learner can be reached, for ever; what the record must keep is shown to nobody any more."""
    from cli.actor import cli_actor
    from cli.main import database_url, mendable
    from storage import erasure
    from storage.acts import Actor
    from storage.integrations import connected

    with mendable(), connected(database_url(data_dir)) as connection:
        try:
            erased = erasure.erase_contact(connection, learner, reason, Actor(cli_actor()))
        except erasure.UnknownLearnerError:
            raise StackError("there is no such learner") from None
        except erasure.NotErasableError as error:
            raise StackError(_REFUSALS[error.reason]) from None
    if not erased.is_new:
        print(f"{erased.learner_id} was erased before")
    elif erased.is_whole:
        print(f"{erased.learner_id} is erased; no record must be kept")
    else:
        print(f"{erased.learner_id} is erased; the record stays until its retention ends")
