"""``laurel images``: the logos and signatures that certificates print, kept under names."""

from pathlib import Path
from typing import Annotated

import typer

from cli.errors import StackError

# ruff: noqa: PLC0415

app = typer.Typer(help="Logos and signatures for certificates.", no_args_is_help=True)

DataDir = Annotated[Path | None, typer.Option(help="The data folder of the stack whose database is meant.")]


@app.command(name="add")
def add_image(
    name: Annotated[str, typer.Argument(help="What definitions call it, such as dean-okafor.")],
    file: Annotated[
        Path, typer.Argument(help="A PNG or JPEG of at most 1 MB.", exists=True, dir_okay=False, readable=True)
    ],
    *,
    data_dir: DataDir = None,
) -> None:
    """Make a picture the current one of its name; certificates that are reserved from now on print it."""
    from cli.actor import cli_actor
    from cli.main import database_url, mendable
    from documents.images import ImageRefusedError, clean_image
    from storage import images, integrations
    from storage.acts import Actor

    if not images.is_name(name):
        raise StackError("a picture's name is made of a-z, 0-9 and -, such as dean-okafor, and is at most 64 long")
    try:
        picture = clean_image(file.read_bytes())
    except ImageRefusedError as error:
        raise StackError(f"{file}: {error}") from None
    new = images.NewImage(name, picture.content, picture.media_type, picture.width, picture.height)
    with mendable(), integrations.connected(database_url(data_dir)) as connection:
        version, is_new = images.add(connection, new, Actor(cli_actor()))
    print(f"{name}: version {version.version}, {'new' if is_new else 'unchanged'}")


@app.command(name="list")
def list_images(*, data_dir: DataDir = None) -> None:
    """Print every picture with its current version."""
    from cli.main import database_url, mendable
    from storage import images, integrations

    with mendable(), integrations.connected(database_url(data_dir)) as connection:
        found = images.listed(connection)
    for each in found:
        print(f"{each.name}: version {each.version}, {each.width} x {each.height}, {each.media_type}")
