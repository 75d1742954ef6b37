"""``laurel audit``: check the audit trail, compare it with the tables, hand out what proves it."""

import json
from base64 import b64decode
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.audit_export import export
from cli.errors import StackError
from cli.replay import replay_claims

if TYPE_CHECKING:
    from storage.audit_verify import Scope

# ruff: noqa: PLC0415

app = typer.Typer(help="The audit trail: check it, replay it, export it.", no_args_is_help=True)
app.command(name="export")(export)
app.command(name="replay")(replay_claims)

_KEY_LENGTH = 32


@app.command(name="verify")
def verify_trail(
    *,
    claim: Annotated[str | None, typer.Option(help="Check the entries of this claim only.")] = None,
    since: Annotated[
        int | None, typer.Option(min=1, help="Check only what came after the checkpoint of this many entries.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Check everything, which is the default.")] = False,
    anchor: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Signed checkpoints that were kept elsewhere.")
    ] = None,
    key: Annotated[
        list[str] | None, typer.Option(help="A public audit key known from elsewhere, in base64; may be repeated.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    data_dir: Annotated[Path | None, typer.Option(help="The data folder of the stack whose database is meant.")] = None,
) -> None:
    """Check the audit trail; exit with 0 if it is clean, with 1 if it was changed, with 2 if it is not all sealed."""
    from cli.main import database_url, mendable
    from config.keys import KeyMissingError
    from storage.audit_verify import verify
    from storage.database import create_sync_engine

    if sum((claim is not None, since is not None, everything)) > 1:
        raise StackError("give one of --claim, --since and --all")
    engine = create_sync_engine(database_url(data_dir), 1)
    try:
        with mendable(LookupError, ValueError, OSError, KeyMissingError):
            report = verify(engine, _scope(claim, since or 0, anchor, key or [], data_dir))
    finally:
        engine.dispose()
    if as_json:
        print(json.dumps(report.as_json(), indent=2))
    else:
        for line in report.lines():
            print(line)
    raise typer.Exit(int(report.verdict))


def _scope(claim: str | None, since: int, anchor: Path | None, keys: list[str], data_dir: Path | None) -> "Scope":
    """What to check, against which notes: those of the anchor, and the one that the key's own process kept."""
    from activities.checkpoints import kept_note
    from cli.keys import keys_folder
    from domain.signed_notes import notes_in
    from storage.audit import claim_stream
    from storage.audit_verify import Scope

    folder = keys_folder(data_dir)
    anchored = anchor.read_text(errors="replace") if anchor else ""
    if anchor and not notes_in(anchored):
        msg = f"{anchor} holds no signed checkpoint"
        raise StackError(msg)
    pinned = _here(folder) | {_public_key(each) for each in keys}
    notes = "\n".join(filter(None, (anchored, kept_note(folder))))
    stream = claim_stream(claim) if claim else None
    return Scope(stream=stream, since=since, anchor=notes or None, pinned=frozenset(pinned))


def _here(folder: Path) -> set[bytes]:
    """The public halves of the audit keys whose private halves are on this machine."""
    from config.keys import KeyFolder, KeyPurpose

    keys = KeyFolder(folder)
    return {keys.key(key_id).public for key_id in keys.ids(KeyPurpose.AUDIT)}


def _public_key(given: str) -> bytes:
    public = b64decode(given, validate=True)
    if len(public) != _KEY_LENGTH:
        raise ValueError("--key is not the 32 bytes of a public key in base64")
    return public
