"""``laurel staff``: who works with claims, and who does no more."""

from pathlib import Path
from typing import Annotated, Literal

import typer

# ruff: noqa: PLC0415

app = typer.Typer(help="Staff accounts.", no_args_is_help=True)

Address = Annotated[str, typer.Argument(help="The address that signs in.")]
DataDir = Annotated[Path | None, typer.Option(help="The data folder of the stack whose database is meant.")]


@app.command(name="add")
def add_staff(
    email: Address,
    *,
    role: Annotated[
        Literal["viewer", "coordinator", "approver", "auditor", "administrator"],
        typer.Option(help="What the account may do."),
    ],
    data_dir: DataDir = None,
) -> None:
    """Give an address a staff role, making its account if it is new."""
    from cli.actor import cli_actor
    from cli.main import database_url, mendable
    from domain.roles import Role
    from storage import accounts
    from storage.acts import Actor

    with mendable(ValueError):
        print(accounts.add_staff(database_url(data_dir), email, Role(role), Actor(cli_actor())))


@app.command(name="deactivate")
def deactivate_account(
    email: Address,
    *,
    reason: Annotated[str, typer.Option(help="Why; kept sealed in the audit trail.")],
    data_dir: DataDir = None,
) -> None:
    """Let an account sign in no more, and end its sessions; what it did stays."""
    from cli.actor import cli_actor
    from cli.main import database_url, mendable
    from storage import accounts
    from storage.acts import Actor

    with mendable(LookupError):
        print(accounts.deactivate(database_url(data_dir), email, reason, Actor(cli_actor())))
