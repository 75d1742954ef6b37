"""The list queries of docs/operations.md, asked of a real server: each is valid, and finds what it says it finds."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client
from temporalio.common import SearchAttributePair, TypedSearchAttributes
from temporalio.testing import WorkflowEnvironment

from domain.identities import new_id
from workflows.contract import (
    CE_ACTIVITY,
    CLAIM_ATTENTION,
    CLAIM_DUE_AT,
    CLAIM_STAGE,
    CLAIM_STAGE_SINCE,
    CLAIM_WORKFLOW,
    PROVIDER,
    ClaimInput,
)
from workflows.inspection import FAILING_CLAIMS

PAGE = Path(__file__).parents[2] / "docs" / "operations.md"
# A time in a documented query stands for one that whoever types it chooses.
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
EARLIER, LATER = NOW - timedelta(days=1), NOW + timedelta(days=30)
SLUG, ACADEMY = "managing-hypertension-in-primary-care", "lakeside-academy-of-medicine"

Shown = Mapping[Any, Any]
# Per query, what a claim that it finds shows, and what one shows that it must not find.
EXAMPLES: Mapping[str, tuple[Shown, Shown]] = {
    "parked, or held": ({CLAIM_ATTENTION: "certificate_failed"}, {CLAIM_STAGE: "issuing"}),
    "held by the office": ({CLAIM_ATTENTION: "on_hold"}, {CLAIM_ATTENTION: "email_failed"}),
    "parked at their e-mail": ({CLAIM_ATTENTION: "email_failed"}, {CLAIM_ATTENTION: "on_hold"}),
    "waiting for an issuance pause to end": ({CLAIM_ATTENTION: "issuance_paused"}, {CLAIM_ATTENTION: "on_hold"}),
    "open past their deadline": ({CLAIM_DUE_AT: EARLIER}, {CLAIM_DUE_AT: LATER}),
    "in grading for far too long": (
        {CLAIM_STAGE: "grading", CLAIM_STAGE_SINCE: EARLIER},
        {CLAIM_STAGE: "grading", CLAIM_STAGE_SINCE: LATER},
    ),
    "whose certificate or e-mail takes too long": (
        {CLAIM_STAGE: "awarding", CLAIM_STAGE_SINCE: EARLIER},
        {CLAIM_STAGE: "grading", CLAIM_STAGE_SINCE: EARLIER},
    ),
    "due soon": ({CLAIM_DUE_AT: NOW}, {CLAIM_DUE_AT: LATER}),
    "of one CE activity, ready to claim": (
        {CE_ACTIVITY: SLUG, CLAIM_STAGE: "ready_to_claim"},
        {CE_ACTIVITY: SLUG, CLAIM_STAGE: "grading"},
    ),
    "of one provider, expired": (
        {PROVIDER: ACADEMY, CLAIM_STAGE: "expired"},
        {PROVIDER: "another", CLAIM_STAGE: "expired"},
    ),
}
# A claim shows these after a while of real failures; test_ways_of_being_stuck.py waits for one.
NEEDS_A_DEFECT, NEEDS_A_PAUSE = "stopped by a defect", "of which somebody paused an activity"


def documented() -> dict[str, str]:
    table = re.search(r"\| Which claims \| Query \|\n\|---\|---\|\n((?:\|.*\n)+)", PAGE.read_text(encoding="utf-8"))
    assert table is not None
    return dict(re.findall(r"^\| (.+?) \| `(.+)` \|$", table[1], re.MULTILINE))


async def shown_as(client: Client, shown: Shown) -> str:
    """A claim's workflow of which nobody takes any task, so that it goes on showing this."""
    pairs = [SearchAttributePair(key, value) for key, value in shown.items()]
    handle = await client.start_workflow(
        CLAIM_WORKFLOW,
        ClaimInput(new_id("clm")),
        id=f"claim-{new_id('clm')}",
        task_queue="nobody",
        search_attributes=TypedSearchAttributes(pairs),
    )
    return handle.id


async def found(client: Client, query: str, ids: Sequence[str]) -> set[str]:
    """Which of these workflows a query finds; others of the same server are none of our business."""
    among = " OR ".join(f'WorkflowId = "{each}"' for each in ids)
    return {each.id async for each in client.list_workflows(f"({query}) AND ({among})")}


def test_every_documented_query_has_its_example() -> None:
    assert set(documented()) == {*EXAMPLES, NEEDS_A_DEFECT, NEEDS_A_PAUSE}
    # The office's list asks the same of Temporal.
    assert FAILING_CLAIMS.endswith("TemporalReportedProblems IS NOT NULL")
    assert documented()[NEEDS_A_DEFECT].endswith("TemporalReportedProblems IS NOT NULL")


@pytest.mark.parametrize("name", EXAMPLES)
async def test_a_documented_query_finds_what_it_says_and_nothing_else(
    name: str, environment: WorkflowEnvironment
) -> None:
    client, query = environment.client, documented()[name]
    ids = [await shown_as(client, shown) for shown in EXAMPLES[name]]
    async with asyncio.timeout(30):
        # The list lags behind by a moment.
        while len(await found(client, f'WorkflowType = "{CLAIM_WORKFLOW}"', ids)) < len(ids):  # noqa: ASYNC110  # no event
            await asyncio.sleep(0.05)
    assert await found(client, query, ids) == {ids[0]}
    for each in ids:
        await client.get_workflow_handle(each).terminate("test")


@pytest.mark.parametrize("name", [NEEDS_A_DEFECT, NEEDS_A_PAUSE])
async def test_the_server_takes_the_queries_about_its_own_reports(name: str, environment: WorkflowEnvironment) -> None:
    assert (await environment.client.count_workflows(documented()[name])).count >= 0
