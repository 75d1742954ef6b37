"""``laurel doctor``: what this machine has and lacks, each lack with the one command that repairs it."""

import asyncio
import ctypes
import os
import shutil
import smtplib
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from cli.local import ports, processes
from cli.local.folders import RunningStack, blocking_folder, running_stack
from cli.local.postgres import installed_server
from cli.local.stack import USUAL_API_PORT, USUAL_MAIL_PAGE_PORT, USUAL_SMTP_PORT
from cli.local.temporal import installed_binary
from cli.servers import Servers

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from config.settings import Settings
    from storage.keys import PublicKey

_Answer = TypeVar("_Answer")

_PANGO = ("libpango-1.0.so.0", "libpangoft2-1.0.so.0", "libharfbuzz-subset.so.0")
_INSTALL_PANGO = "sudo apt-get install -y libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0"
_GIGABYTE = 1024**3
_DISK_NEEDED = 2 * _GIGABYTE
_MEMORY_NEEDED = 1 * _GIGABYTE
_CLOCK_TOLERANCE = timedelta(seconds=2)
_PATIENCE = 5.0
_SEALED_WITHIN = timedelta(minutes=15)


@dataclass(frozen=True)
class Check:
    """The outcome of one check; ``repair`` is one command, or one sentence where no command exists."""

    name: str
    passed: bool
    detail: str
    repair: str = ""
    required: bool = True

    def __str__(self) -> str:
        state = "ok" if self.passed else "MISSING" if self.required else "note"
        repair = f"\n{'':<26}repair: {self.repair}" if self.repair and not self.passed else ""
        return f"{state:<8}{self.name:<18}{self.detail}{repair}"

    def as_json(self) -> dict[str, object]:
        """Return the fields as JSON values."""
        return asdict(self)


async def examine(data_dir: Path) -> list[Check]:
    """Run every check and return the outcomes in the order in which a person should read them."""
    from cli.main import load_settings  # noqa: PLC0415  # It imports this module's command.

    settings, stack = load_settings(), running_stack(data_dir)
    given = Servers.given(settings)
    servers = given.or_of(stack)
    needs_keys = stack is not None or "keys_dir" in settings.model_fields_set
    machine: list[Callable[[], Check]] = [
        check_python,
        check_pango,
        check_fonts,
        partial(check_temporal_binary, given),
        partial(check_postgres_binaries, given),
        partial(check_data_dir, data_dir, given),
        partial(check_disk, data_dir),
        check_memory,
        partial(check_ports, stack),
    ]
    remote: list[Callable[[], Awaitable[Check]]] = [
        partial(check_database, servers.database_url),
        partial(check_rights, servers.database_url),
        partial(check_audit, servers.database_url, settings, stack),
        partial(check_clock, servers.database_url),
        partial(check_temporal, servers.temporal_address),
        partial(check_smtp, servers.smtp_url, settings.smtp_ca_file),
        partial(check_keys, keys_folder(data_dir, settings), servers.database_url, required=needs_keys),
    ]
    return [check() for check in machine] + [await check() for check in remote]


def check_python() -> Check:
    """Python 3.11 or newer."""
    version = ".".join(map(str, sys.version_info[:3]))
    return Check("Python", sys.version_info >= (3, 11), f"{version} at {sys.executable}", "bin/setup")


def check_pango(libraries: tuple[str, ...] = _PANGO) -> Check:
    """The three libraries that the PDF engine needs; one is only for speed, but without it a render takes a second."""
    missing = []
    for library in libraries:
        try:
            ctypes.CDLL(library)
        except OSError:
            missing.append(library)
    detail = f"not found: {', '.join(missing)}" if missing else "found"
    return Check("pango", not missing, detail, _INSTALL_PANGO)


def check_fonts(folder: Path | None = None) -> Check:
    """The fonts that certificates are set in come with Laurel."""
    folder = folder or Path(__file__).parents[1] / "documents" / "fonts"
    fonts = [path for pattern in ("*.ttf", "*.otf", "*.woff2") for path in folder.rglob(pattern)]
    return Check("fonts", bool(fonts), f"{len(fonts)} in {folder}", "git checkout -- documents/fonts")


def check_temporal_binary(given: Servers) -> Check:
    """The Temporal server's binary, unless another server is given."""
    return _installed("Temporal binary", installed_binary(), is_needed=given.temporal_address is None)


def check_postgres_binaries(given: Servers) -> Check:
    """PostgreSQL's binaries, unless another server is given."""
    return _installed("PostgreSQL", installed_server(), is_needed=given.database_url is None)


def _installed(name: str, place: Path | None, *, is_needed: bool) -> Check:
    detail = str(place) if place else "not installed" + ("" if is_needed else ", not needed")
    return Check(name, bool(place), detail, "bin/setup", required=is_needed)


def check_data_dir(data_dir: Path, given: Servers) -> Check:
    """A data folder that we can write in and that PostgreSQL's user can pass; nothing is created."""
    name, repair = "data folder", "laurel up --data-dir FOLDER (one that is writable and that everyone may pass)"
    folder, place = data_dir.expanduser().absolute(), _nearest_existing(data_dir)
    if not os.access(place, os.W_OK | os.X_OK):
        return Check(name, passed=False, detail=f"{folder}: {place} is not writable for this user", repair=repair)
    user = processes.unprivileged_user()
    blocked = blocking_folder(place, user) if user and given.database_url is None else None
    if user and blocked:
        detail = f"{folder}: PostgreSQL's user {user.pw_name} cannot pass {blocked}"
        return Check(name, passed=False, detail=detail, repair=repair)
    return Check(name, passed=True, detail=str(folder))


def check_disk(data_dir: Path) -> Check:
    """Two gigabytes for the record and Temporal's histories."""
    place = _nearest_existing(data_dir)
    free = shutil.disk_usage(place).free
    repair = "free some space, or laurel up --data-dir FOLDER (on another disk)"
    return Check("disk", free > _DISK_NEEDED, f"{free / _GIGABYTE:.1f} GB free at {place}", repair)


def _nearest_existing(folder: Path) -> Path:
    folder = folder.expanduser().absolute()
    return next(place for place in (folder, *folder.parents) if place.exists())


def check_memory() -> Check:
    """One gigabyte of memory; with less everything works, but slowly."""
    available = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        fields = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
        available = int(fields["MemAvailable"].split()[0]) * 1024
    detail = f"{available / _GIGABYTE:.1f} GB available"
    return Check("memory", available > _MEMORY_NEEDED, detail, "end other programs", required=False)


def check_ports(stack: RunningStack | None) -> Check:
    """The usual ports; where one is taken, the stack uses the next free one."""
    if stack:
        return Check("ports", passed=True, detail=f"Laurel runs: {', '.join(stack.urls.values())}")
    usual = (USUAL_API_PORT, 8233, 7233, 5432, USUAL_MAIL_PAGE_PORT, USUAL_SMTP_PORT)
    taken = [f"{port} by {ports.holder(port)}" for port in usual if not ports.is_free(port)]
    detail = f"taken: {', '.join(taken)}; the next free ones will be used" if taken else "the usual ones are free"
    return Check("ports", not taken, detail, required=False)


async def check_database(url: str | None) -> Check:
    """The database answers and its schema is this version's."""
    if url is None:
        return _not_running("database")
    import psycopg  # noqa: PLC0415  # Slow to import.

    from storage import migrate  # noqa: PLC0415

    where = _without_account(url)
    try:
        connection = await psycopg.AsyncConnection.connect(url, connect_timeout=int(_PATIENCE))
        await connection.close()
    except psycopg.OperationalError as error:
        reason = str(error).strip().splitlines()[-1]
        repair = "laurel up, or set LAUREL_DATABASE_URL"
        return Check("database", passed=False, detail=f"{where}: {reason}", repair=repair)
    problems = await asyncio.to_thread(migrate.check, url)
    detail = f"{where}: {'; '.join(problems) if problems else 'reachable, schema up to date'}"
    return Check("database", not problems, detail, "laurel db upgrade")


async def check_rights(url: str | None) -> Check:
    """Processes sign in as a role that cannot rewrite what is append-only."""
    if url is None:
        return _not_running("database role")
    from storage.roles import owns_the_record  # noqa: PLC0415

    name, repair = "database role", "let processes sign in as a member of laurel_app (docs/operations.md)"
    try:
        is_owner = await asyncio.to_thread(_asked, url, owns_the_record)
    except LookupError as error:
        return Check(name, passed=False, detail=str(error), required=False)
    detail = "the tables' owner, who could rewrite the audit trail" if is_owner else "owns no table"
    return Check(name, not is_owner, detail, repair, required=False)


async def check_audit(url: str | None, settings: "Settings", stack: RunningStack | None = None) -> Check:
    """The audit trail is sealed, and its checkpoints are kept somewhere else too."""
    if url is None:
        return _not_running("audit trail")
    from storage.audit_log import unsealed_since  # noqa: PLC0415

    name = "audit trail"
    try:
        since = await asyncio.to_thread(_asked, url, unsealed_since)
    except LookupError as error:
        return Check(name, passed=False, detail=str(error), required=False)
    if since is not None and datetime.now(UTC) - since > _SEALED_WITHIN:
        detail = f"nothing is signed since {since.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        return Check(name, passed=False, detail=detail, repair="laurel worker --role audit")
    is_of_stack = stack is not None and stack.database_url == url
    is_anchored = bool(settings.audit_anchor_file or settings.audit_anchor_email)
    if stack and is_of_stack:
        is_anchored = stack.is_anchored
    asked = "the running stack" if is_of_stack else "this shell, whose settings may not be the audit worker's,"
    detail = "signed, and checkpoints are kept elsewhere too" if is_anchored else f"signed, but {asked} names no anchor"
    repair = "set LAUREL_AUDIT_ANCHOR_FILE or LAUREL_AUDIT_ANCHOR_EMAIL"
    return Check(name, is_anchored, detail, repair, required=False)


def _asked(url: str, question: "Callable[[Connection], _Answer]") -> "_Answer":
    """Put a question to the record; raises ``LookupError`` when it cannot be asked."""
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415

    from storage.database import create_sync_engine  # noqa: PLC0415

    engine = create_sync_engine(url, 1)
    try:
        with engine.connect() as connection:
            return question(connection)
    except SQLAlchemyError:
        raise LookupError("not examined: the database, or its schema, cannot be used") from None
    finally:
        engine.dispose()


async def check_clock(url: str | None) -> Check:
    """This machine's clock agrees with the database's, which decides what is on time."""
    if url is None:
        return _not_running("clock")
    import psycopg  # noqa: PLC0415

    try:
        async with await psycopg.AsyncConnection.connect(url, connect_timeout=int(_PATIENCE)) as connection:
            before = datetime.now(UTC)
            row = await (await connection.execute("SELECT clock_timestamp()")).fetchone()
            middle = before + (datetime.now(UTC) - before) / 2
    except psycopg.OperationalError:
        return Check("clock", passed=False, detail="not compared: the database cannot be reached", required=False)
    apart = abs(row[0] - middle) if row else timedelta.max
    detail = f"{apart.total_seconds():.3f} s from the database's"
    return Check("clock", apart <= _CLOCK_TOLERANCE, detail, "sudo timedatectl set-ntp true")


async def check_temporal(address: str | None) -> Check:
    """Temporal answers and has the search attributes, where it tells which it has."""
    if address is None:
        return _not_running("Temporal")
    from temporalio.service import RPCError, RPCStatusCode  # noqa: PLC0415

    from cli.temporal_setup import registered_search_attributes  # noqa: PLC0415
    from config.temporal import connect  # noqa: PLC0415
    from workflows.contract import SEARCH_ATTRIBUTES  # noqa: PLC0415

    try:
        client = await asyncio.wait_for(connect(address=address), _PATIENCE)
        present = await asyncio.wait_for(registered_search_attributes(client), _PATIENCE)
    except (RPCError, RuntimeError, TimeoutError) as error:
        # Temporal Cloud may leave it to its console to say which search attributes there are.
        silent = RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNIMPLEMENTED
        if isinstance(error, RPCError) and error.status in silent:
            detail = f"{address}: reachable; which search attributes there are is told by its console alone"
            return Check("Temporal", passed=True, detail=detail)
        repair = "laurel up, or set TEMPORAL_ADDRESS"
        return Check("Temporal", passed=False, detail=f"{address}: not reachable", repair=repair)
    missing = sorted(name for name, kind in SEARCH_ATTRIBUTES.items() if present.get(name) != kind)
    detail = (
        f"search attributes missing: {', '.join(missing)}" if missing else "reachable, search attributes registered"
    )
    return Check("Temporal", not missing, f"{address}: {detail}", "laurel temporal setup")


async def check_smtp(url: str | None, ca_file: Path | None) -> Check:
    """The mail server answers, shows a certificate that is trusted, and takes our password."""
    if url is None:
        return _not_running("mail")
    from activities.smtp import MailServerUntrustedError, SmtpMailer  # noqa: PLC0415

    try:
        await asyncio.to_thread(SmtpMailer(url, ca_file, _PATIENCE).greet)
    except (OSError, ValueError, MailServerUntrustedError, smtplib.SMTPException) as error:
        repair = "laurel up, or set LAUREL_SMTP_URL"
        return Check("mail", passed=False, detail=f"{_without_account(url)}: {error}", repair=repair)
    return Check("mail", passed=True, detail=f"{_without_account(url)}: reachable")


def keys_folder(data_dir: Path, settings: "Settings") -> Path:
    """The folder that is given for signing keys, else the stack's own."""
    return settings.keys_dir if "keys_dir" in settings.model_fields_set else data_dir.expanduser() / "keys"


async def check_keys(folder: Path, url: str | None, *, required: bool) -> Check:
    """There is a key that may sign for each purpose, nobody else may read it, and the record has the public halves.

    Only workers need keys, so on another machine their lack is a note.
    """
    from config.keys import KeyFolder, KeyPurpose  # noqa: PLC0415

    ids = {purpose: KeyFolder(folder).ids(purpose) for purpose in KeyPurpose}
    missing = [purpose for purpose, of_purpose in ids.items() if not of_purpose]
    files = [folder / f"{key_id}.pem" for of_purpose in ids.values() for key_id in of_purpose]
    check = partial(Check, "signing keys", required=required)
    if missing:
        detail = f"{folder}: none for {' and '.join(missing)}"
        return check(passed=False, detail=detail, repair="laurel keys create")
    exposed = [file.name for file in files if file.stat().st_mode & 0o077]
    if exposed:
        detail = f"{folder}: others than the owner may read {', '.join(exposed)}"
        return check(passed=False, detail=detail, repair=f"chmod 600 {folder}/*.pem", required=True)
    if url is None:
        return check(passed=True, detail=f"{len(files)} in {folder}, not compared with the record")
    from storage.keys import public_keys  # noqa: PLC0415

    try:
        published = await asyncio.to_thread(_asked, url, public_keys)
    except LookupError as error:
        return check(passed=False, detail=str(error), required=False)
    unpublished = {file.stem for file in files} - {key.id for key in published}
    if unpublished:
        detail = f"{folder}: the record lacks the public half of {', '.join(sorted(unpublished))}"
        return check(passed=False, detail=detail, repair="laurel keys create", required=True)
    silent = [purpose for purpose in KeyPurpose if not _may_sign(published, purpose, ids[purpose])]
    if silent:
        newest = [[key.id for key in published if key.purpose == purpose][-1] for purpose in silent]
        detail = f"{folder}: no key here may sign for {' and '.join(silent)} (the newest is {' and '.join(newest)})"
        repair = "laurel keys create, or bring that key's file back if it was not revoked"
        return check(passed=False, detail=detail, repair=repair, required=True)
    return check(passed=True, detail=f"{len(files)} in {folder}, public halves published")


def _may_sign(published: "Sequence[PublicKey]", purpose: str, ids: list[str]) -> bool:
    return any(key.may_sign and key.id in ids for key in published if key.purpose == purpose)


def _not_running(name: str) -> Check:
    return Check(name, passed=False, detail="not running", repair="laurel up", required=False)


def _without_account(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
