"""Pictures and templates in versions: which template a certificate is made with, and what is entered about it."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from domain.identities import new_id
from storage import certificate_templates as templates
from storage import images
from storage.acts import Actor
from storage.audit import first_break
from storage.catalog import ImportRefusedError, check_files, publish, read_files
from storage.certificate_templates import NewTemplate, ProviderUnknownError, Source
from storage.definitions import DefinitionError, read_definition
from storage.images import NewImage
from storage.sealing import open_entries

DEFINITION = """\
slug: {slug}
title: Grand Rounds
format: live_activity
provider:
  name: The provider of {slug}
  logo: {logo}
  accreditation_statement: The provider is accredited.
time_zone: UTC
starts_on: 2026-09-01
ends_on: 2026-09-30
contact: ce@provider.example
requirements: []
credit:
  - credit_type: participation
    designated_units: 1.50
    designation_statement: One and a half hours.
signatories:
  - {{name: Ada, title: Dean}}
  - {{name: Eve, title: Dean, signature: {signature}}}
"""
STAFF = Actor("acc_staff", "req_1")
CREDIT = "participation"


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    """A transaction that nobody else ever sees: a template without a provider would serve everybody's certificates."""
    with engine.connect() as connection:
        yield connection
        connection.rollback()


@pytest.fixture
def provider(connection: Connection) -> str:
    slug = new_name()
    connection.execute(text("INSERT INTO providers (slug, name, acronym) VALUES (:slug, :slug, 'CE')"), {"slug": slug})
    return slug


def new_name() -> str:
    return new_id("t").replace("_", "-").lower()


def template(name: str, provider: str | None = None, credit_type: str | None = None, html: str = "<p/>") -> NewTemplate:
    return NewTemplate(name=name, provider=provider, credit_type=credit_type, source=Source(html, "p {}"))


def entries(connection: Connection, stream: str) -> list[dict[str, Any]]:
    assert first_break(connection, stream) is None
    query = text("SELECT body FROM audit_events WHERE stream = :stream ORDER BY seq")
    return open_entries(connection, [bytes(body) for body in connection.execute(query, {"stream": stream}).scalars()])


def picture(name: str, content: bytes) -> NewImage:
    return NewImage(name, content, "image/png", 40, 20)


def test_the_template_that_fits_best_is_chosen(connection: Connection, provider: str) -> None:
    def chosen() -> str | None:
        return templates.choose(connection, provider, CREDIT)

    assert chosen() is None
    for name, its_provider, its_type in (
        ("all", None, None),
        ("type", None, CREDIT),
        ("provider", provider, None),
        ("both", provider, CREDIT),
    ):
        full_name = f"{new_name()}-{name}"
        templates.publish(connection, template(full_name, its_provider, its_type), STAFF)
        assert chosen() == f"{full_name}@1"
        # One that fits less well and is newer changes nothing.
        templates.publish(connection, template(f"{full_name}-less", None, None, "<b/>"), STAFF)
        assert chosen() == (f"{full_name}@1" if name != "all" else f"{full_name}-less@1")


def test_a_template_for_others_is_not_chosen(connection: Connection, provider: str) -> None:
    templates.publish(connection, template(new_name(), provider, "ancc_contact_hours"), STAFF)
    assert templates.choose(connection, provider, CREDIT) is None
    assert templates.choose(connection, new_name(), "ancc_contact_hours") is None


def test_only_the_newest_version_of_a_name_counts_and_a_retired_one_does_not(
    connection: Connection, provider: str
) -> None:
    first, second = new_name(), new_name()
    templates.publish(connection, template(first, provider, CREDIT), STAFF)
    templates.publish(connection, template(second, provider, CREDIT), STAFF)
    assert templates.choose(connection, provider, CREDIT) == f"{second}@1"
    templates.publish(connection, template(first, provider, CREDIT, "<i/>"), STAFF)
    assert templates.choose(connection, provider, CREDIT) == f"{first}@2"
    templates.publish(connection, template(first, provider, "ancc_contact_hours", "<i/>"), STAFF)
    assert templates.choose(connection, provider, CREDIT) == f"{second}@1"
    templates.retire(connection, second, STAFF)
    assert templates.choose(connection, provider, CREDIT) is None
    templates.publish(connection, template(second, provider, CREDIT), STAFF)
    assert templates.choose(connection, provider, CREDIT) == f"{second}@3"


def test_a_version_is_made_only_when_something_changes(connection: Connection, provider: str) -> None:
    name = new_name()
    assert templates.publish(connection, template(name, provider), STAFF)[1]
    version, is_new = templates.publish(connection, template(name, provider), STAFF)
    assert (version.version, is_new) == (1, False)
    assert templates.publish(connection, template(name, provider, CREDIT), STAFF)[0].version == 2
    retired = templates.retire(connection, name, STAFF, "Old logo.")
    assert retired is not None
    assert (retired[0].version, retired[0].is_retired, retired[1]) == (3, True, True)
    again = templates.retire(connection, name, STAFF)
    assert again is not None
    assert (again[0].version, again[1]) == (3, False)
    assert templates.retire(connection, new_name(), STAFF) is None
    assert [each.reference for each in templates.versions(connection, name)] == [f"{name}@{n}" for n in (3, 2, 1)]


def test_each_version_is_entered_once_with_who_and_what(connection: Connection, provider: str) -> None:
    name = new_name()
    published, _ = templates.publish(connection, template(name, provider), STAFF, "New looks.")
    templates.publish(connection, template(name, provider), STAFF, "Again.")
    templates.retire(connection, name, STAFF)
    first, second = entries(connection, f"certificate_template:{name}")
    assert (first["event"], first["actor"], first["request_id"]) == (
        "certificate_template.published",
        "acc_staff",
        "req_1",
    )
    assert first["after"] == {"name": name, "version": 1, "provider": provider, "credit_type": None}
    assert published.sha256 is not None
    assert first["evidence"] == {"template": published.sha256.hex()}
    assert first["private"] == {"reason": "New looks."}
    assert (second["event"], second["before"]) == ("certificate_template.retired", {"version": 1})


def test_the_source_of_every_version_is_kept_and_never_changed(connection: Connection, provider: str) -> None:
    name = new_name()
    for html in ("<p>1</p>", "<p>2</p>"):
        templates.publish(connection, template(name, provider, html=html), STAFF)
    templates.retire(connection, name, STAFF)
    assert templates.source_of(connection, f"{name}@1") == Source("<p>1</p>", "p {}")
    assert templates.source_of(connection, f"{name}@2") == Source("<p>2</p>", "p {}")
    assert templates.source_of(connection, "2026-11-a") is None
    for absent in (f"{name}@3", f"{name}@4", f"{new_name()}@1"):
        with pytest.raises(LookupError):
            templates.source_of(connection, absent)
    with pytest.raises(DBAPIError):
        connection.execute(text("UPDATE certificate_templates SET source = '{}' WHERE name = :name"), {"name": name})


def test_a_template_of_nobody_is_refused(connection: Connection) -> None:
    with pytest.raises(ProviderUnknownError):
        templates.publish(connection, template(new_name(), new_name()), STAFF)


def test_a_picture_has_versions_and_the_same_bytes_make_none(connection: Connection) -> None:
    name, content = new_name(), new_id("x").encode()
    first, is_new = images.add(connection, picture(name, content), STAFF)
    assert (first.version, first.sha256, first.size, is_new) == (1, picture(name, content).sha256, len(content), True)
    assert images.add(connection, picture(name, content), STAFF) == (first, False)
    second, _ = images.add(connection, picture(name, content + b"2"), STAFF)
    back, is_new = images.add(connection, picture(name, content), STAFF)
    assert (second.version, back.version, is_new) == (2, 3, True)
    assert bytes(images.current(connection, [name, new_name()])[name]["sha256"]) == first.sha256
    assert list(images.current(connection, [new_name()])) == []
    hashes = [first.sha256.hex(), second.sha256.hex(), "00" * 32]
    assert images.contents(connection, hashes) == {hashes[0]: content, hashes[1]: content + b"2"}
    assert images.contents(connection, []) == {}
    events = entries(connection, f"image:{name}")
    assert [entry["event"] for entry in events] == ["image.added"] * 3
    assert events[1]["before"] == {"version": 1}
    assert events[1]["evidence"] == {"image": second.sha256.hex()}


def test_a_definition_that_names_a_picture_which_nobody_added_is_refused_with_line_and_field(
    engine: Engine, database_url: str, tmp_path: Any
) -> None:
    logo, signature = new_name(), new_name()
    definition = DEFINITION.format(slug=new_name(), logo=logo, signature=signature)
    message = "is the name of a stored picture; add it first, with laurel images add"
    with pytest.raises(DefinitionError) as raised, engine.begin() as connection:
        publish(connection, read_definition(definition), None)
    found = [(each.line, each.field, each.message) for each in raised.value.problems]
    lines = definition.splitlines()
    assert found == [
        (lines.index(f"  logo: {logo}") + 1, "provider.logo", message),
        (len(lines), "signatories[1].signature", message),
    ]
    path = tmp_path / "definition.yaml"
    path.write_text(definition)
    with pytest.raises(ImportRefusedError, match=r"provider\.logo"):
        check_files(database_url, read_files([path]))
    assert not check_files("postgresql://nobody@127.0.0.1:1/nothing", read_files([path]))
    with engine.begin() as connection:
        for name in (logo, signature):
            images.add(connection, picture(name, name.encode()), STAFF)
        publish(connection, read_definition(definition), None)
    assert check_files(database_url, read_files([path]))
