"""``laurel employees``: the organisation's list of its people, against which employee ids are checked."""

from pathlib import Path
from typing import Annotated

import typer

# ruff: noqa: PLC0415

app = typer.Typer(help="The list of the organisation's people.", no_args_is_help=True)

DataDir = Annotated[Path | None, typer.Option(help="The data folder of the stack whose database is meant.")]


@app.command(name="load")
def load_employees(
    file: Annotated[
        Path,
        typer.Argument(
            help="A CSV file: employee id, and as it has them first name, last name and e-mail.",
            exists=True,
            dir_okay=False,
            readable=True,
        ),
    ],
    *,
    data_dir: DataDir = None,
) -> None:
    """Put this list in the place of the one before, all of it or nothing."""
    from cli.actor import cli_actor
    from cli.main import database_url, mendable
    from storage import employees
    from storage.acts import Actor

    with mendable(ValueError):
        count = employees.load_file(database_url(data_dir), file, Actor(cli_actor()))
    print(f"{count} employees")


@app.command(name="clear")
def clear_employees(*, data_dir: DataDir = None) -> None:
    """Have no list any more: employee ids are then taken as they are given."""
    from cli.actor import cli_actor
    from cli.main import database_url, mendable
    from storage import employees
    from storage.acts import Actor

    with mendable():
        employees.load_file(database_url(data_dir), None, Actor(cli_actor()))
    print("no list of employees")
