"""``laurel keys``: what signs credentials and checkpoints, private halves in a folder, public halves published."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from config.keys import KeyFolder, SigningKey
    from storage.keys import SigningKeyFields

# ruff: noqa: PLC0415

app = typer.Typer(help="The keys that sign credentials and the audit trail.", no_args_is_help=True)

KeyId = Annotated[str, typer.Argument(help="The key's name, as `laurel keys list` prints it.")]
Purpose = Annotated[Literal["credential", "audit"], typer.Argument(help="What the key signs.")]
DataDir = Annotated[Path | None, typer.Option(help="The data folder of the stack whose keys and database are meant.")]


@app.command(name="create")
def create_keys(*, data_dir: DataDir = None) -> None:
    """Make the keys that are missing, and publish those of the folder that the record lacks."""
    from cli.actor import cli_actor
    from cli.main import database_url, mendable
    from config.keys import KeyFolder, KeyMissingError
    from storage.integrations import connected

    folder = KeyFolder(keys_folder(data_dir))
    with mendable(ValueError, OSError, KeyMissingError), connected(database_url(data_dir)) as connection:
        created = make_missing_keys(connection, folder, cli_actor())
    for key_id in created:
        print(f"{key_id}: published")


@app.command(name="list")
def list_keys(*, data_dir: DataDir = None) -> None:
    """Print every key that was ever published, what it is for, and whether its private half is here."""
    from cli.main import database_url, mendable
    from config.keys import KeyFolder, KeyPurpose
    from storage import keys
    from storage.integrations import connected

    folder = KeyFolder(keys_folder(data_dir))
    with mendable(), connected(database_url(data_dir)) as connection:
        listed = keys.public_keys(connection)
    for key in listed:
        ended = [
            f"{word} {at:%Y-%m-%d}" for word, at in (("retired", key.retired_at), ("revoked", key.revoked_at)) if at
        ]
        state = ", ".join(ended) or "signs"
        here = "here" if key.id in folder.ids(KeyPurpose(key.purpose)) else "not here"
        print(f"{key.id}: {key.purpose}, {state}, published {key.created_at:%Y-%m-%d}, private half {here}")


@app.command(name="rotate")
def rotate_key(purpose: Purpose, *, data_dir: DataDir = None) -> None:
    """Make a new key that signs from now on; what the keys before it signed still holds."""
    from cli.actor import cli_actor
    from cli.main import database_url, mendable
    from config.keys import KeyFolder, KeyPurpose
    from storage import keys
    from storage.integrations import connected

    folder, actor = KeyFolder(keys_folder(data_dir)), cli_actor()
    with mendable(ValueError, OSError), connected(database_url(data_dir)) as connection:
        key = folder.create(KeyPurpose(purpose))
        retired = keys.signing_key_ids(connection, purpose)
        keys.register(connection, fields_of(key), actor)
        for key_id in retired:
            keys.retire(connection, key_id, actor)
    print(f"{key.id}: signs from now on")
    for key_id in retired:
        print(f"{key_id}: retired, and published for as long as what it signed")


@app.command(name="revoke")
def revoke_key(
    key_id: KeyId,
    *,
    reason: Annotated[str, typer.Option(help="What happened to it, for the audit trail.")],
    data_dir: DataDir = None,
) -> None:
    """Say that a key was stolen: nothing that it signed counts any more. Another one must sign from now on."""
    from cli.actor import cli_actor
    from cli.main import database_url, mendable
    from storage import keys
    from storage.integrations import connected

    with mendable(LookupError), connected(database_url(data_dir)) as connection:
        keys.revoke(connection, key_id, cli_actor(), reason)
    print(f"{key_id}: revoked; `laurel keys create` makes another where none is left")


def keys_folder(data_dir: Path | None = None) -> Path:
    """Return the folder of the environment, else that of the stack that runs on the data folder, else the default."""
    from cli.local.folders import default_data_dir, running_stack
    from cli.main import load_settings

    settings = load_settings()
    if "keys_dir" not in settings.model_fields_set and running_stack(data_dir):
        return (data_dir or default_data_dir()).expanduser() / "keys"
    return settings.keys_dir


def make_missing_keys(connection: "Connection", folder: "KeyFolder", actor: str) -> list[str]:
    """Publish the folder's keys, and give each purpose one that may sign; answers with the ids of those published."""
    from config.keys import KeyPurpose
    from storage import keys

    published: list[str] = []
    for purpose in KeyPurpose:
        found = (folder.key(key_id) for key_id in folder.ids(purpose))
        published += [key.id for key in found if keys.register(connection, fields_of(key), actor)]
        if set(keys.signing_key_ids(connection, purpose)).isdisjoint(folder.ids(purpose)):
            key = folder.create(purpose)
            keys.register(connection, fields_of(key), actor)
            published.append(key.id)
    return published


def fields_of(key: "SigningKey") -> "SigningKeyFields":
    """Return what the record keeps of a key."""
    from storage.keys import SigningKeyFields

    return SigningKeyFields(id=key.id, purpose=key.purpose, public_key=key.public)
