"""``laurel integrations``: which learning platforms may send events, and the secrets that they sign with."""

from pathlib import Path
from typing import Annotated

import typer

# ruff: noqa: PLC0415

app = typer.Typer(help="Learning platforms that send events.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Its name, as in the address that it sends to.")]
DataDir = Annotated[Path | None, typer.Option(help="The data folder of the stack whose database is meant.")]


@app.command(name="add")
def add_integration(name: Name, *, data_dir: DataDir = None) -> None:
    """Let a platform send events, and print its secret, this once."""
    from cli.actor import cli_actor
    from cli.main import database_url, mendable
    from storage import integrations
    from storage.acts import Actor

    with mendable(ValueError), integrations.connected(database_url(data_dir)) as connection:
        secret = integrations.add(connection, name, Actor(cli_actor()))
    print(secret)


@app.command(name="rotate")
def rotate_secret(
    name: Name,
    *,
    drop_previous: Annotated[
        bool, typer.Option("--drop-previous", help="Make no new secret; let only the newest be valid from now on.")
    ] = False,
    data_dir: DataDir = None,
) -> None:
    """Print a new secret; the one before stays valid until the next rotation, or until it is dropped."""
    from cli.actor import cli_actor
    from cli.main import database_url, mendable
    from storage import integrations
    from storage.acts import Actor

    with mendable(ValueError), integrations.connected(database_url(data_dir)) as connection:
        if drop_previous:
            integrations.drop_previous(connection, name, Actor(cli_actor()))
        else:
            secret = integrations.rotate(connection, name, Actor(cli_actor()))
    print(f"{name}: only the newest secret is valid" if drop_previous else secret)


@app.command(name="disable")
def disable_integration(name: Name, *, data_dir: DataDir = None) -> None:
    """Take no more events from a platform; adding it again gives it a new secret."""
    from cli.actor import cli_actor
    from cli.main import database_url, mendable
    from storage import integrations
    from storage.acts import Actor

    with mendable(ValueError), integrations.connected(database_url(data_dir)) as connection:
        integrations.disable(connection, name, Actor(cli_actor()))
    print(f"{name}: disabled")


@app.command(name="list")
def list_integrations(*, data_dir: DataDir = None) -> None:
    """Print every platform, and how many of its secrets are valid."""
    from cli.main import database_url, mendable
    from storage import integrations

    with mendable(), integrations.connected(database_url(data_dir)) as connection:
        listed = integrations.listed(connection)
    for each in listed:
        secrets = "two secrets" if each.has_previous_secret else "one secret"
        print(f"{each.name}: {'disabled' if each.disabled_at else secrets}, added {each.created_at:%Y-%m-%d}")
