"""The wallet: every award in pages and by filters, and the sums of all of them whatever is listed."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import Engine

from storage import historical_awards
from storage.acts import Actor
from storage.historical_awards import NewHistoricalAward
from tests.api.conftest import Person, publish_example
from tests.api.records import add_award
from tests.claims import example_policy

PROVIDER = example_policy().provider


def filled(engine: Engine, person: Person) -> None:
    """Five awards: three of this provider, one of another, one from before the record."""
    for units, day in (("1.00", date(2026, 1, 1)), ("0.50", date(2026, 2, 1)), ("2.00", date(2025, 3, 1))):
        add_award(engine, person.learner_id, publish_example(engine), units, completed_on=day)
    other = publish_example(engine, title="Stroke pathways", provider=replace(PROVIDER, name="Hill Hospital"))
    add_award(engine, person.learner_id, other, "3.00", "participation", completed_on=date(2024, 5, 5))
    old = NewHistoricalAward(
        title="Meeting of 1998",
        provider="Society of Microbes",
        credit_type="ama_pra_category_1",
        units=Decimal("4.00"),
        completed_on=date(1998, 6, 1),
        reference="MTG-98",
        reason="Letter of the society.",
    )
    with engine.begin() as connection:
        historical_awards.enter(connection, person.learner_id, old, Actor("acc_staff"))


async def wallet(person: Person, query: str = "") -> dict[str, Any]:
    response = await person.get(f"/v1/wallet{query}")
    assert response.status_code == 200, response.text
    return dict(response.json())


async def units(person: Person, query: str) -> list[str]:
    return [each["units"] for each in (await wallet(person, query))["data"]]


async def test_totals_are_of_everything_whatever_is_listed(learner: Person, engine: Engine) -> None:
    filled(engine, learner)
    found = await wallet(learner, "?year=2026&limit=1")
    assert (found["found"], len(found["data"]), found["has_more"]) == (2, 1, True)
    assert {each["credit_type"]: each["units"] for each in found["totals"]} == {
        "ama_pra_category_1": "7.50",
        "participation": "3.00",
    }
    assert [each["year"] for each in found["years"]] == [2026, 2025, 2024, 1998]
    assert found["providers"] == sorted([PROVIDER.name, "Hill Hospital", "Society of Microbes"], key=str.casefold)


async def test_awards_are_found_by_year_type_provider_and_words(learner: Person, engine: Engine) -> None:
    filled(engine, learner)
    assert await units(learner, "?year=2026") == ["0.50", "1.00"]
    assert await units(learner, "?credit_type=participation") == ["3.00"]
    assert await units(learner, "?provider=Hill%20Hospital") == ["3.00"]
    assert await units(learner, "?text=mtg%20microbes") == ["4.00"]
    assert await units(learner, "?text=STROKE") == ["3.00"]
    assert await units(learner, "?year=2026&credit_type=participation") == []
    assert await units(learner, "?provider=&text=") == ["0.50", "1.00", "2.00", "3.00", "4.00"]


async def test_pages_follow_each_other_without_a_gap(learner: Person, engine: Engine) -> None:
    filled(engine, learner)
    seen, query = [], "?limit=2"
    while True:
        page = await wallet(learner, query)
        seen += [each["id"] for each in page["data"]]
        if page["next"] is None:
            break
        query = f"?limit=2&after={page['next']}"
    assert seen == [each["id"] for each in (await wallet(learner))["data"]]
    assert len(seen) == len(set(seen)) == 5


async def test_a_cursor_of_another_wallet_and_a_wrong_filter_are_refused(learner: Person) -> None:
    for query, pointer in (("?after=awd_x", "after"), ("?credit_type=gold", "credit_type"), ("?year=1", "year")):
        response = await learner.get(f"/v1/wallet{query}")
        assert response.status_code == 422
        assert response.json()["errors"][0]["pointer"] == pointer
