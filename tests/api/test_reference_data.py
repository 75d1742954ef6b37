"""What commands put into the record before anyone uses the API: CE activities and staff."""

from pathlib import Path

import httpx2
import pytest
from sqlalchemy import Engine, text

from domain.identities import new_id
from domain.roles import Role
from storage.accounts import add_staff
from storage.catalog import ImportRefusedError, import_files, provider_slug
from tests.api.conftest import definition_text, sign_in


def written(folder: Path, *slugs: str) -> list[Path]:
    paths = [folder / f"{slug}.yaml" for slug in slugs]
    for path, slug in zip(paths, slugs, strict=True):
        path.write_text(definition_text(slug))
    return paths


def slugs(count: int) -> list[str]:
    return [new_id("course").replace("_", "-") for _ in range(count)]


def test_importing_the_same_files_twice_publishes_them_once(database_url: str, tmp_path: Path) -> None:
    paths = written(tmp_path, *slugs(2))
    first, second = import_files(database_url, paths), import_files(database_url, paths)
    assert [each.is_new for each in first + second] == [True, True, False, False]
    assert [each.version_id for each in first] == [each.version_id for each in second]


def test_one_file_with_mistakes_keeps_all_from_being_imported(
    database_url: str, tmp_path: Path, engine: Engine
) -> None:
    right, wrong = slugs(2)
    paths = written(tmp_path, right, wrong)
    paths[1].write_text(definition_text(wrong).replace("America/Chicago", "Mars/Olympus"))
    with pytest.raises(ImportRefusedError, match=rf"{wrong}\.yaml:\d+: time_zone: is an IANA time zone"):
        import_files(database_url, paths)
    with engine.connect() as connection:
        query = text("SELECT count(*) FROM ce_activities WHERE slug = :slug")
        assert connection.execute(query, {"slug": right}).scalar_one() == 0


def test_a_draft_is_not_offered_until_it_is_published(database_url: str, tmp_path: Path, engine: Engine) -> None:
    (slug,) = slugs(1)
    path = tmp_path / "draft.yaml"
    for status in ("draft", "published"):
        path.write_text(definition_text(slug) + f"status: {status}\n")
        published = import_files(database_url, [path])[0]
        with engine.connect() as connection:
            query = text("SELECT status FROM ce_activities WHERE id = :id")
            assert connection.execute(query, {"id": published.ce_activity_id}).scalar_one() == status
    assert published.number == 1


async def test_an_account_keeps_its_claims_when_it_becomes_staff(database_url: str, client: httpx2.AsyncClient) -> None:
    person = await sign_in(database_url, client)
    assert add_staff(database_url, person.email.upper().replace("@PEOPLE.EXAMPLE", "@people.example"), Role.COORDINATOR)
    assert (await person.get("/v1/me")).json()["role"] == "coordinator"


def test_staff_need_an_address(database_url: str) -> None:
    with pytest.raises(ValueError, match="email_format"):
        add_staff(database_url, "Ada <ada@example.org>", Role.COORDINATOR)


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Rush University Medical Center", "rush-university-medical-center"),
        ("Hôpital Saint-Luc", "hopital-saint-luc"),
        ("x" * 200, "x" * 80),
    ],
)
def test_a_provider_has_a_name_for_addresses(name: str, slug: str) -> None:
    assert provider_slug(name) == slug


def test_a_provider_without_a_latin_name_has_one_of_its_own() -> None:
    assert provider_slug("医学会") != provider_slug("学会医")
    assert provider_slug("医学会").startswith("provider-")
