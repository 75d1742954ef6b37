"""The demo: everything started, the examples loaded, and one learner's claim driven from opening to certificate."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Final

from cli.actor import cli_actor
from cli.demo.stories import STORIES
from cli.demo.telling import EXAMPLES, Teller
from cli.errors import StackError
from cli.local import LocalStack, default_data_dir
from cli.main import stop_on_signals
from cli.terminal import progress_printer
from documents.images import clean_image
from domain.policy import PostTest
from storage import images
from storage.acts import Actor
from storage.catalog import publish
from storage.database import create_sync_engine
from storage.definitions import Definition, read_definition
from storage.images import NewImage

__all__ = ["EXAMPLES", "FAST_GRADING_SECONDS", "STORY", "load_examples", "run_demo"]

STORY: Final = STORIES["c"].ce_activity
FAST_GRADING_SECONDS: Final = 2


def run_demo(flow: str, *, once: bool, fast: bool, data_dir: Path | None) -> None:
    """Start the embedded stack, tell the story of a flow, and stay up until Ctrl-C; with ``once`` stop after it."""
    say = progress_printer()
    stack = LocalStack(data_dir or default_data_dir(), say=say)
    if "mail" not in stack.urls:
        raise StackError("the demo reads its own mail: unset LAUREL_SMTP_URL")
    stop_on_signals(stack)
    started = time.monotonic()
    stack.start()
    if not stack.is_running:
        stack.wait()
        raise StackError("the stack did not start")
    say(f"Everything runs after {time.monotonic() - started:.1f} s.")
    try:
        load_examples(stack.database_url, fast=fast)
        Teller(stack, STORIES[flow], say).tell()
    except BaseException:
        stack.stop()
        raise
    if once:
        stack.stop()
        return
    say(f"\nSign in at {stack.urls['api']}/sign-in with any address: the link arrives at {stack.urls['mail']}.")
    say(f"Make it the office's: .venv/bin/laurel staff add you@office.example --role coordinator{_of(data_dir)}")
    say("Laurel stays up. Ctrl-C stops it.")
    stack.wait()


def _of(data_dir: Path | None) -> str:
    return f" --data-dir {data_dir}" if data_dir else ""


def load_examples(database_url: str, *, fast: bool) -> None:
    """Add the pictures and publish the definitions in ``examples/``; with ``fast``, tests are graded in two seconds."""
    engine = create_sync_engine(database_url, pool_size=1)
    with engine.begin() as connection:
        for path in sorted((EXAMPLES / "images").glob("*.png")):
            picture = clean_image(path.read_bytes())
            new = NewImage(path.stem, picture.content, picture.media_type, picture.width, picture.height)
            images.add(connection, new, Actor(cli_actor()))
        for path in sorted(EXAMPLES.glob("*.yaml")):
            definition = read_definition(path.read_text())
            publish(connection, _graded_fast(definition) if fast else definition, None)
    engine.dispose()


def _graded_fast(definition: Definition) -> Definition:
    requirements = (
        replace(requirement, grading_seconds=FAST_GRADING_SECONDS) if isinstance(requirement, PostTest) else requirement
        for requirement in definition.policy.requirements
    )
    return replace(definition, policy=replace(definition.policy, requirements=tuple(requirements)))
