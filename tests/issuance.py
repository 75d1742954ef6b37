"""Issuance pauses of providers of their own, so that tests which share a database do not pause each other."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from sqlalchemy import Engine, text

from domain.identities import new_id
from domain.reasons import PauseReason, ResumptionReason
from storage import issuance
from storage.acts import Actor
from storage.issuance import IssuancePause
from tests.claims import TestClaim, example_policy

BY = Actor("acc_approver")


def own_provider(**changes: Any) -> dict[str, Any]:
    """The changes that give the example to a provider whom no other claim belongs to."""
    provider = replace(example_policy().provider, name=f"Provider {new_id('prv')[4:]}")
    return {"provider": provider} | changes


def provider_of(claim: TestClaim) -> str:
    query = text("SELECT provider_slug FROM ce_activities WHERE slug = :slug")
    with claim.engine.connect() as connection:
        return str(connection.execute(query, {"slug": claim.slug}).scalar_one())


def pause(engine: Engine, provider: str | None) -> IssuancePause:
    with engine.begin() as connection:
        placed, _ = issuance.place(connection, provider, PauseReason.CREDIT_IN_DOUBT, "Two sessions overlap.", BY)
    return placed


def resume(engine: Engine, placed: IssuancePause) -> IssuancePause:
    with engine.begin() as connection:
        lifted = issuance.lift(connection, placed.id, ResumptionReason.CHECKED, "They do not.", BY)
    assert lifted is not None
    return lifted


@contextmanager
def everywhere(engine: Engine) -> Iterator[IssuancePause]:
    """Issuance is paused for all inside this block, and for nobody after it."""
    placed = pause(engine, None)
    try:
        yield placed
    finally:
        resume(engine, placed)
