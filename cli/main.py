"""The ``laurel`` command. Each command imports what it needs when it runs, so that ``laurel --help`` is quick."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import typer

from cli import (
    audit,
    certificate_templates,
    claims,
    employees,
    images,
    integrations,
    issuance,
    keys,
    retention,
    rosters,
    staff,
)
from cli.errors import StackError
from cli.reconcile import reconcile

if TYPE_CHECKING:
    from cli.local import LocalStack
    from config.settings import Settings

# ruff: noqa: PLC0415

app = typer.Typer(
    name="laurel",
    help="Continuing-education credit claims as durable workflows.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
db = typer.Typer(help="The database schema.", no_args_is_help=True)
temporal = typer.Typer(help="The Temporal namespace.", no_args_is_help=True)
app.add_typer(db, name="db")
app.add_typer(temporal, name="temporal")
app.add_typer(staff.app, name="staff")
app.add_typer(claims.app, name="claims")
app.add_typer(integrations.app, name="integrations")
app.add_typer(keys.app, name="keys")
app.add_typer(employees.app, name="employees")
app.add_typer(rosters.app, name="roster")
app.add_typer(images.app, name="images")
app.add_typer(certificate_templates.app, name="templates")
app.add_typer(issuance.app, name="issuance")
app.add_typer(retention.app, name="retention")
app.add_typer(audit.app, name="audit")
app.command(name="reconcile")(reconcile)

_Result = TypeVar("_Result")

DataDir = Annotated[
    Path | None,
    typer.Option(help="The stack's data folder; by default /var/lib/laurel for root, else in the XDG data home."),
]


class WorkerRole(StrEnum):
    """What a worker process takes on."""

    CLAIMS = "claims"
    DOCUMENTS = "documents"
    AUDIT = "audit"
    ALL = "all"


@app.command()
def up(
    *,
    data_dir: DataDir = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="The API's port; by default the next free one from 8000 on.")
    ] = None,
) -> None:
    """Start the whole of Laurel on this machine and keep it running until Ctrl-C."""
    from cli.local import LocalStack, default_data_dir
    from cli.terminal import progress_printer

    say = progress_printer()
    folder = data_dir or default_data_dir()
    say(f"Laurel starts in {folder}")
    stack = LocalStack(folder, port=port, say=say)
    stop_on_signals(stack)
    stack.start()
    if stack.is_running:
        say(f"Laurel is up: {', '.join(f'{name} {url}' for name, url in stack.urls.items())}. Ctrl-C stops it.")
    stack.wait()
    say("Laurel has stopped.")


def stop_on_signals(stack: "LocalStack") -> None:
    """Let Ctrl-C or SIGTERM stop the stack in order, and a second one kill what still runs."""

    def ask_to_stop(_number: int, _frame: object) -> None:
        print("Stopping; once more kills what still runs.", flush=True)
        stack.ask_to_stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, ask_to_stop)


@app.command()
def demo(
    *,
    flow: Annotated[
        Literal["a", "b", "c", "d"],
        typer.Option(
            help="How credit is claimed: a with an activity code, b on an event site, c by a post-test, d at a meeting."
        ),
    ] = "c",
    once: Annotated[bool, typer.Option("--once", help="End after one claim instead of staying up.")] = False,
    fast: Annotated[bool, typer.Option("--fast", help="Grade after 2 seconds instead of 30.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Start everything, load the examples and drive one claim from opening to certificate."""
    from cli.demo import run_demo

    run_demo(flow, once=once, fast=fast, data_dir=data_dir)


@app.command()
def doctor(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the checks as JSON.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Check everything Laurel needs, and name the command that repairs what is missing."""
    from cli.doctor import examine
    from cli.local import default_data_dir

    checks = asyncio.run(with_quiet_end(examine(data_dir or default_data_dir())))
    if as_json:
        print(json.dumps([check.as_json() for check in checks], indent=2))
    else:
        for check in checks:
            print(check)
    _end(0 if all(check.passed or not check.required for check in checks) else 1)


@app.command()
def worker(*, role: Annotated[WorkerRole, typer.Option(help="The queues to work on.")] = WorkerRole.ALL) -> None:
    """Run one worker process until SIGTERM."""
    import uvloop

    import worker as worker_module

    uvloop.run(with_quiet_end(worker_module.main(role.value, load_settings())))


@app.command()
def api(
    *,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port to listen on.")] = 8000,
) -> None:
    """Run one API process until SIGTERM."""
    import uvicorn

    from api.app import create_app
    from config.logging import configure_logging
    from config.memory import settle

    configure_logging(load_settings())
    application = create_app()
    settle()
    uvicorn.run(
        application,
        host=host,
        port=port,
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_config=None,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=5,
    )


@app.command()
def ready(
    url: Annotated[str, typer.Argument(help="Where a process says whether it is ready.")] = (
        "http://localhost:8000/readyz"
    ),
) -> None:
    """Ask a process whether it is ready; exit with 1 if it is not, for health checks of containers."""
    from urllib.error import URLError
    from urllib.request import urlopen

    try:
        with urlopen(url, timeout=4) as answer:  # noqa: S310  # the address is the operator's own
            print(answer.read().decode())
    except URLError as error:
        print(error.reason)
        raise typer.Exit(1) from None


@app.command()
def mailbox(
    *,
    data_dir: DataDir = None,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The mail page's port.")] = 8025,
    smtp_port: Annotated[int, typer.Option(help="The port that takes mail.")] = 1025,
) -> None:
    """Catch outgoing mail, keep it in the data folder and show it on a page."""
    from cli.local import default_data_dir
    from cli.mailbox import serve

    folder = (data_dir or default_data_dir()) / "mail"
    asyncio.run(serve(folder, host=host, page_port=port, smtp_port=smtp_port))


@app.command(name="config")
def show_config() -> None:
    """Print every setting as it is in force, without passwords."""
    settings = load_settings()
    for name, field in type(settings).model_fields.items():
        print(f"LAUREL_{name.upper()}={_redacted(getattr(settings, name))}  # {field.description}")
    for name, value in sorted(os.environ.items()):
        if name.startswith("TEMPORAL_"):
            shown = "***" if any(word in name for word in ("KEY", "CERT", "TOKEN", "HEADER", "META")) else value
            print(f"{name}={shown}")


def load_settings() -> "Settings":
    """Return the settings; a wrong one is a ``StackError`` that names it and does not repeat its value."""
    from pydantic import ValidationError

    from config import settings

    try:
        return settings.load_settings()
    except ValidationError as error:
        named = [(f"LAUREL_{str(one['loc'][0]).upper()}: " if one["loc"] else "", one["msg"]) for one in error.errors()]
        wrong = "; ".join(f"{name}{words}" for name, words in named)
        msg = f"a setting is wrong: {wrong}"
        raise StackError(msg) from None


def _redacted(value: object) -> object:
    from urllib.parse import urlsplit

    if not isinstance(value, str) or "://" not in value:
        return value
    url = urlsplit(value)
    account, at, server = url.netloc.rpartition("@")
    query = "***" if "password" in url.query else url.query
    user = account.partition(":")[0]
    return url._replace(netloc=f"{user}:***{at}{server}" if ":" in account else url.netloc, query=query).geturl()


@db.command(name="upgrade")
def upgrade_database(*, data_dir: DataDir = None) -> None:
    """Bring the database schema to the newest version; nothing happens if it is there already."""
    from storage import migrate

    with mendable():
        migrate.upgrade(owner_database_url(data_dir))


@db.command(name="check")
def check_database(*, data_dir: DataDir = None) -> None:
    """Compare the database schema with this version of Laurel; exit with 1 if they differ."""
    from storage import migrate

    with mendable():
        problems = migrate.check(database_url(data_dir))
    for problem in problems:
        print(problem)
    raise typer.Exit(1 if problems else 0)


def database_url(data_dir: Path | None = None) -> str:
    """Return the database of the environment, else of the stack that runs on the data folder, else the default."""
    from cli.local.folders import running_stack

    settings = load_settings()
    stack = None if "database_url" in settings.model_fields_set else running_stack(data_dir)
    return stack.database_url if stack else settings.database_url


def owner_database_url(data_dir: Path | None = None) -> str:
    """Return the same database as the owner of its tables, where the environment or the running stack names one."""
    from cli.local.folders import running_stack

    settings = load_settings()
    if settings.owner_database_url:
        return settings.owner_database_url
    stack = None if "database_url" in settings.model_fields_set else running_stack(data_dir)
    return stack.owner_database_url if stack else settings.database_url


@temporal.command(name="setup")
def set_up_temporal(
    *,
    retention_days: Annotated[
        int | None, typer.Option(min=1, help="Let the namespace keep closed workflows this many days.")
    ] = None,
    create: Annotated[
        int | None,
        typer.Option(
            "--create", min=1, help="Make the namespace if it is missing; it keeps closed workflows so many days."
        ),
    ] = None,
) -> None:
    """Register Laurel's search attributes; nothing happens if they are there already."""
    from temporalio.service import RPCError

    from cli.temporal_setup import create_namespace, keep_closed_workflows, register_search_attributes
    from config.temporal import connect
    from workflows.contract import SEARCH_ATTRIBUTES

    async def register() -> None:
        client = await connect(lazy=True)
        try:
            if create is not None and await create_namespace(client, create):
                print(f"made the namespace {client.namespace}")
            added = await register_search_attributes(client, SEARCH_ATTRIBUTES)
            if retention_days is not None:
                await keep_closed_workflows(client, retention_days)
        except (RPCError, RuntimeError, ValueError) as error:
            msg = f"the namespace could not be set up: {error}"
            raise StackError(msg) from error
        print(f"registered: {', '.join(added)}" if added else "all search attributes are registered")

    asyncio.run(with_quiet_end(register()))
    _end(0)


@app.command(name="import")
def import_definitions(
    files: Annotated[
        list[Path],
        typer.Argument(help="Definitions of CE activities, YAML or JSON.", exists=True, dir_okay=False, readable=True),
    ],
    *,
    check: Annotated[bool, typer.Option("--check", help="Only say what is wrong with them.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Publish definitions of CE activities, all or none; an unchanged one changes nothing."""
    from cli.actor import cli_actor
    from storage.catalog import check_files, import_files, read_files

    with mendable(ValueError):
        if check:
            definitions = read_files(files)
            if not check_files(database_url(data_dir), definitions):
                print("there is no database at hand: whether the pictures exist is not checked")
            for path in definitions:
                print(f"{path}: nothing is wrong")
            return
        published = import_files(database_url(data_dir), files, cli_actor())
    for one in published:
        print(f"{one.slug}: version {one.number}, {'new' if one.is_new else 'unchanged'}")


@app.command(name="schema")
def print_schema() -> None:
    """Print the JSON Schema of definitions, for editors."""
    from storage.definitions import json_schema

    print(json.dumps(json_schema(), indent=2, ensure_ascii=False))


@app.command(name="openapi")
def print_openapi() -> None:
    """Print the description of the HTTP API, for typed clients."""
    from cli.openapi import description

    print(description())


@contextmanager
def mendable(*errors: type[Exception]) -> Iterator[None]:
    """Turn these errors, and a database that cannot be reached, into a message for a person."""
    from sqlalchemy.exc import OperationalError

    try:
        yield
    except OperationalError as error:
        msg = f"the database cannot be used: {error.orig}"
        raise StackError(msg) from error
    except errors as error:
        raise StackError("\n".join([str(error), *getattr(error, "__notes__", ())])) from error


async def with_quiet_end(work: Coroutine[Any, Any, _Result]) -> _Result:
    """Do work that uses a Temporal client, as the last thing that its loop does."""
    try:
        return await work
    finally:
        # Temporal's runtime may abort an interpreter that ends while its client still closes (SDK issue 300).
        await asyncio.sleep(0.05)


def _end(code: int) -> None:
    """End a short command that used a Temporal client, past the runtime's own threads (SDK issue 300)."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def run() -> None:
    """Run the command line; an error a person can mend is one message and exit code 1, not a traceback."""
    try:
        app()
    except StackError as error:
        print(f"laurel: {error}", file=sys.stderr)
        sys.exit(1)
