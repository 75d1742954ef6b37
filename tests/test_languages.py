"""What Laurel says in another language than English: all of it, with the same in it, and in e-mails too."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from html.parser import HTMLParser
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import pytest
from jinja2 import Environment, nodes

from config.languages import (
    ENGLISH,
    LANGUAGES,
    PSEUDO,
    current_language,
    gettext,
    ngettext,
    preferred_language,
    set_language,
    written_in,
)
from documents.email import compose
from documents.notices import Email
from documents.wording import credit_word, day_words, moment_words
from tests.documents.test_email_text import AWARD, EMAILS, ENVELOPE, REMINDER, SIGN_IN

ROOT: Final = Path(__file__).parents[1]
OTHERS: Final = [language for language in LANGUAGES if language != ENGLISH]
EVERY_OTHER: Final = pytest.mark.parametrize("language", OTHERS)


@pytest.fixture(scope="module")
def words() -> ModuleType:
    """The command ``bin/words``, which has no ending that Python knows."""
    loader = SourceFileLoader("words", str(ROOT / "bin" / "words"))
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


@EVERY_OTHER
def test_every_sentence_has_a_translation_that_is_filled_in_with_the_same(words: ModuleType, language: str) -> None:
    assert list(words.faults(words.merged(language, words.collect()))) == [], "translate them in config/locales"


@EVERY_OTHER
def test_the_file_holds_what_is_said_now_and_nothing_else(words: ModuleType, language: str) -> None:
    path: Path = words.path_of(language)
    assert path.read_bytes() == words.written(words.merged(language, words.collect())), "run bin/words"


def test_a_translation_that_lacks_a_value_or_a_tag_is_a_fault(words: ModuleType) -> None:
    catalog = words.Catalog("es")
    catalog.add("Hello, %(name)s", "Hola")
    catalog.add("<b>{count}</b>", "{count}")
    catalog.add(("{count} claim", "{count} claims"), ("{count} solicitud", ""))
    catalog.add("Yes", "Sí")
    assert len(list(words.faults(catalog))) == 3


def test_numbers_of_things_take_the_form_of_their_language() -> None:
    def said(count: int) -> str:
        return ngettext("{count} question", "{count} questions", count).format(count=count)

    assert [said(count) for count in (0, 1, 2)] == ["0 questions", "1 question", "2 questions"]
    with written_in("es"):
        assert [said(count) for count in (0, 1, 2)] == ["0 preguntas", "1 pregunta", "2 preguntas"]


def test_a_language_ends_with_its_block_and_an_unknown_one_is_english() -> None:
    with written_in("es"):
        assert gettext("Your certificate") == "Su certificado"
        with written_in("xx"):
            assert current_language() == ENGLISH
        with written_in(None):
            assert gettext("Your certificate") == "Your certificate"
        assert current_language() == "es"
    assert current_language() == ENGLISH


def test_what_nobody_has_translated_stays_as_it_was_written() -> None:
    with written_in("es"):
        assert (gettext("A title of somebody's own"), gettext("")) == ("A title of somebody's own", "")


@pytest.mark.parametrize(
    ("asked", "language"),
    [
        ("", "en"),
        ("es", "es"),
        ("es-MX,en;q=0.8", "es"),
        ("en;q=0.5,es;q=0.9", "es"),
        ("fr,de", "en"),
        ("es;q=x", "en"),
    ],
)
def test_a_browser_gets_the_language_that_it_asks_for_most(asked: str, language: str) -> None:
    assert preferred_language(asked) == language


class _Plain(HTMLParser):
    """Collects the text of a template that stands outside of every sentence."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._unread = 0

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self._unread += tag in ("code", "style")
        self.found += [value or "" for name, value in attributes if name in ("alt", "aria-label", "title")]

    def handle_endtag(self, tag: str) -> None:
        self._unread -= tag in ("code", "style")

    def handle_data(self, data: str) -> None:
        if not self._unread:
            self.found.append(data)


KNOWN: Final = re.compile(
    r"""[\w-]+="[^"]*"|Laurel|API|PDF|HTML|CSS|CSV|SHA-256|JSON Lines|Excel|Windows|macOS|Linux|/[a-z-]+/"""
)
"""Attributes, names, addresses."""
COMMAND: Final = "laurel audit verify --all --anchor FILE"
TEMPLATES: Final = [
    path
    for folder in ("api/templates", "documents/templates/email")
    for path in sorted((ROOT / folder).rglob("*.*"))
    if path.suffix in (".html", ".txt")
]


def _outside_of_sentences(template: str) -> Iterator[str]:
    """What a template says to people without asking for its translation, constants in expressions included."""
    tree = Environment(extensions=["jinja2.ext.i18n"]).parse(template)  # noqa: S701  # nothing is rendered
    written = [each for output in tree.find_all(nodes.Output) for each in output.nodes]
    plain = _Plain()
    plain.feed("".join(each.data if isinstance(each, nodes.TemplateData) else " " for each in written))
    yield from plain.found
    asked = {"_", "gettext", "ngettext", "pgettext"}
    calls = (
        each for each in tree.find_all(nodes.Call) if isinstance(each.node, nodes.Name) and each.node.name in asked
    )
    translated = {id(argument) for call in calls for argument in call.args}
    constants = (each for each in tree.find_all(nodes.Const) if id(each) not in translated)
    yield from (
        each.value
        for each in constants
        if isinstance(each.value, str) and re.search(r"\w \w|^[A-Z][a-z]", each.value) and "=" not in each.value
    )


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_template_says_nothing_that_cannot_be_translated(path: Path) -> None:
    said = (KNOWN.sub(" ", each.replace(COMMAND, "")) for each in _outside_of_sentences(path.read_text()))
    assert [each.strip() for each in said if re.search("[A-Za-z]{2}", each)] == []


def greek(email: Any) -> Email:
    """The same e-mail about people and things with Greek names."""
    names = {
        name: "Ωμέγα"
        for name in ("recipient_name", "ce_activity_title", "provider_name", "product_name", "learner_name", "message",
                     "answer", "credit_line", "why", "deadline", "opening", "credit_word", "system", "note",
                     "help_contact")
        if hasattr(email, name)
    }  # fmt: skip
    steps = {"steps": ("Ωμέγα",)} if hasattr(email, "steps") else {}
    in_greek: Email = replace(email, **names, **steps)
    return in_greek


def _parts(email: Email) -> tuple[str, str, str]:
    message = compose(email, ENVELOPE)
    text, html = (part.get_content() for part in message.iter_parts())
    return str(message["Subject"]), text, html


@pytest.mark.parametrize("email", EMAILS, ids=lambda email: email.purpose)
def test_every_sentence_of_an_email_is_said_in_the_language_of_its_reader(email: Email) -> None:
    with written_in(PSEUDO):
        subject, text, html = _parts(greek(email))
    body = html.partition("<body")[2].partition(">")[2]
    for said in (subject, text, re.sub("<[^>]+>", " ", body)):
        plain = re.sub(rf"https?://\S+|{COMMAND}|\S+/audit|November", " ", said)
        assert re.findall(r"[A-Za-z]*[aceginosuy][A-Za-z]*", plain) == []
    assert '<html lang="en-XA">' in html


def test_an_email_in_spanish_says_the_same_in_spanish() -> None:
    with written_in("es"):
        subject, text, html = _parts(replace(AWARD, credit_word=credit_word("CME")))
        assert subject == "Su crédito CME por Sepsis in the First Hour"
        assert "Completada el 21 de noviembre de 2026" in text
        assert "Ver su certificado" in html
        assert compose(AWARD, ENVELOPE)["Content-Language"] == "es"
        assert _parts(SIGN_IN)[1].startswith("Hola:")
        assert "hasta el 21 de noviembre de 2026" in _parts(REMINDER)[0]
    assert compose(AWARD, ENVELOPE)["Content-Language"] == "en"


def test_the_credit_keeps_the_name_that_the_record_gives_it_in_every_language() -> None:
    with written_in("es"):
        assert AWARD.credit_line in _parts(AWARD)[1]


def test_a_certificate_is_dated_in_the_language_of_the_record_and_an_email_in_its_readers() -> None:
    at = datetime(2026, 11, 21, 0, 30, tzinfo=UTC)
    with written_in("es"):
        assert day_words(date(2026, 11, 21)) == "November 21, 2026"
        assert moment_words(at, "Europe/Paris") == "21 de noviembre de 2026, 01:30 (Paris, UTC+1)"
        assert ", para usted 20 de noviembre de 2026" in moment_words(at, "Europe/Paris", "America/Chicago")


def test_a_request_may_set_its_language_for_all_that_follows() -> None:
    with written_in(ENGLISH):
        set_language("es")
        assert gettext("Hello,") == "Hola:"
        set_language("xx")
        assert gettext("Hello,") == "Hello,"
