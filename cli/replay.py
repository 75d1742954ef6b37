"""``laurel audit replay``: whether the tables say of every claim what its audit entries lead to."""

from pathlib import Path
from typing import Annotated

import typer

# ruff: noqa: PLC0415

DataDir = Annotated[Path | None, typer.Option(help="The data folder of the stack whose database is meant.")]


def replay_claims(
    *,
    claim: Annotated[str | None, typer.Option(help="One claim's id; by default every claim.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Build each claim anew from its audit entries and compare; exit with 1 if the tables say something else."""
    from sqlalchemy.exc import NoResultFound

    from cli.errors import StackError
    from cli.main import database_url, mendable
    from storage.database import create_sync_engine
    from storage.replay import replay_all, replay_claim

    engine = create_sync_engine(database_url(data_dir), pool_size=1)
    compared = passed_over = differing = 0
    try:
        with mendable(), engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
            for replayed in [replay_claim(connection, claim)] if claim else replay_all(connection):
                compared += replayed.is_whole
                passed_over += not replayed.is_whole
                differing += bool(replayed.differences)
                for place in replayed.differences:
                    print(f"{replayed.claim_id}: {place}")
    except NoResultFound:
        raise StackError("there is no such claim") from None
    finally:
        engine.dispose()
    print(f"{compared} claims replayed, {differing} differ; {passed_over} passed over: purged, or of an older release")
    raise typer.Exit(1 if differing else 0)
