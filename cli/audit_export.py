"""``laurel audit export``: one claim's audit bundle, or everything of a period. Each export is entered itself."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from io import BufferedRandom
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cli.errors import StackError

if TYPE_CHECKING:
    from domain.exports import ExportFilter
    from storage.disclosures import Disclosure

# ruff: noqa: PLC0415

DataDir = Annotated[Path | None, typer.Option(help="The data folder of the stack whose database is meant.")]


def export(
    *,
    claim: Annotated[str | None, typer.Option(help="Write the bundle of this claim, a ZIP file.")] = None,
    from_day: Annotated[datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="The first day.")] = None,
    to_day: Annotated[datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="The last day.")] = None,
    file_format: Annotated[
        Literal["csv", "xlsx", "jsonl"], typer.Option("--format", help="What a list of claims is written as.")
    ] = "csv",
    entries: Annotated[
        bool, typer.Option("--entries", help="Write the raw audit entries of days in UTC instead, as JSON Lines.")
    ] = False,
    credit_type: Annotated[str | None, typer.Option(help="List awards of this credit type only.")] = None,
    ce_activity: Annotated[str | None, typer.Option(help="List claims of this CE activity only.")] = None,
    anchor: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="Checkpoints that an auditor kept: prove growth from each."),
    ] = None,
    reason: Annotated[str, typer.Option(help="Why this leaves the house; entered in the audit trail.")],
    out: Annotated[Path, typer.Option(dir_okay=False, help="The file to write.")],
    data_dir: DataDir = None,
) -> None:
    """Write a claim's audit bundle, or the claims or the audit entries of a period."""
    from cli.main import database_url, mendable

    if (claim is None) is (from_day is None or to_day is None):
        raise StackError("give either --claim, or --from and --to")
    disclosure = _disclosure(reason)
    with mendable(OSError, ValueError), _new_file(out) as file:
        url = database_url(data_dir)
        if claim is not None:
            written = _write_bundle(file, url, claim, disclosure, anchor)
        elif from_day is not None and to_day is not None:
            wanted = _filter(from_day, to_day, credit_type, ce_activity)
            write = _write_entries if entries else _write_claims
            written = write(file, url, wanted, disclosure, file_format)
    print(f"{out}: {written}")


def _disclosure(reason: str) -> "Disclosure":
    from cli.actor import cli_actor
    from domain.names import clean_text
    from storage.acts import Actor
    from storage.disclosures import Disclosure

    try:
        cleaned = clean_text(reason, 2000)
    except ValueError as error:
        raise StackError("--reason cannot be entered as it is") from error
    if not cleaned:
        raise StackError("--reason is empty")
    return Disclosure(Actor(cli_actor()), cleaned)


def _filter(from_day: datetime, to_day: datetime, credit_type: str | None, ce_activity: str | None) -> "ExportFilter":
    from domain import credit
    from domain.exports import ExportFilter

    if to_day < from_day:
        raise StackError("--to is before --from")
    if credit_type is not None and credit_type not in {rule.code for rule in credit.rules()}:
        raise StackError("there is no such credit type")
    return ExportFilter(
        from_on=from_day.date(), until_on=to_day.date(), credit_type=credit_type, ce_activity=ce_activity
    )


@contextmanager
def _new_file(out: Path) -> Iterator[BufferedRandom]:
    """A file for its owner's eyes only, which gets its name when it is complete."""
    new = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        with open(os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b") as file:  # noqa: PTH123  # with mode
            yield file
            file.flush()
            os.fsync(file.fileno())
        new.replace(out)
    finally:
        new.unlink(missing_ok=True)


def _write_bundle(file: BufferedRandom, url: str, claim_id: str, disclosure: "Disclosure", anchor: Path | None) -> str:
    from config import __version__
    from domain.signed_notes import Checkpoint, notes_in
    from storage.audit_bundle.collect import BundleOrder, ClaimNotFoundError, hand_out_bundle

    notes = notes_in(anchor.read_text(encoding="utf-8", errors="replace")) if anchor else []
    sizes = [Checkpoint.parse(note).size for note in notes]
    order = BundleOrder(claim_id=claim_id, disclosure=disclosure, release=__version__, anchored_sizes=sizes)
    try:
        file.write(hand_out_bundle(url, order))
    except ClaimNotFoundError as error:
        raise StackError("the record has no such claim") from error
    return "an audit bundle; verify.py in it checks it"


def _write_claims(
    file: BufferedRandom, url: str, wanted: "ExportFilter", disclosure: "Disclosure", file_format: str
) -> str:
    from config import __version__
    from documents.claims_list import ListFormat, write_claims
    from domain.exports import ExportHeading
    from storage.exports import hand_out_claims

    chosen, heading = ListFormat(file_format), ExportHeading(wanted, datetime.now(UTC), __version__)
    written = hand_out_claims(
        url, wanted, chosen, disclosure, lambda claims: write_claims(file, heading, claims, chosen)
    )
    return f"claims: {written.rows}"


def _write_entries(
    file: BufferedRandom, url: str, wanted: "ExportFilter", disclosure: "Disclosure", _file_format: str
) -> str:
    from storage.exports import hand_out_entries

    if wanted.from_on is None or wanted.until_on is None:
        raise StackError("entries are exported for a period: give --from and --to")
    return f"entries: {hand_out_entries(url, wanted.from_on, wanted.until_on, disclosure, file)}"
