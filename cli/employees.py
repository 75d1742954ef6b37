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
    from cli.main import database_url, mendable
    from storage import employees

    with mendable(ValueError):
        count = employees.load_file(database_url(data_dir), file)
    print(f"{count} employees")


@app.command(name="clear")
def clear_employees(*, data_dir: DataDir = None) -> None:
    """Have no list any more: employee ids are then taken as they are given."""
    from cli.main import database_url, mendable
    from storage import employees

    with mendable():
        employees.load_file(database_url(data_dir), None)
    print("no list of employees")
