"""Rendering pages: one environment that escapes everything, in the language of whoever is there."""

import secrets
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse, Response

from api.formats import clock, day, moment, units
from api.pages.staff import words as office_words
from api.pages.wording import (
    EVENT_GROUPS,
    EVENT_WORDS,
    FORMAT_WORDS,
    PROFESSION_WORDS,
    STAGE_NAMES,
    STAGE_WORDS,
    STATE_WORDS,
    profile_words,
)
from config.languages import ENGLISH, LANGUAGES, current_language, gettext, ngettext, pgettext
from config.languages import marked as _
from domain.roles import AUDITING_ROLES, OFFICE_ROLES, STAFF_ROLES

_TEMPLATES: Final = Path(__file__).parent.parent / "templates"

NOTICES: Final = {
    "saved": _("Saved."),
    "activity_published": _("Published: learners can open claims."),
    "activity_closed": _("Closed: nobody can open a claim any more."),
    "activity_copied": _("This is the copy, a draft."),
    "roster_applied": _("The roster was applied."),
    "event_stays": _("It could not be applied, and stays in quarantine."),
    "nothing_changed": _("Nothing was changed: it said that already."),
    "draft_saved": _("Draft saved. You can go on later, on any device."),
    "elsewhere": _("This was done before, or in another window. Here is how things stand."),
    "signed_out_there": _("Signed out there."),
    "not_possible_now": _("That is not possible now. Here is how the claim stands."),
    "noted": _("Noted, for colleagues."),
    "email_again": _("The e-mail is sent once more."),
    "correction_made": _("The correction was made. What follows appears here by itself."),
    "correction_waits": _("The correction is recorded and waits for a second person."),
    "approved": _("Agreed. The correction is made now."),
    "declined": _("Declined. Nothing was changed."),
    "correction_ended": _("The correction has ended. Another one may follow."),
    "merged": _("The two are one learner now."),
    "award_entered": _("Entered into the transcript."),
    "award_voided": _("Taken off every transcript."),
    "view_saved": _("The view was saved."),
    "view_removed": _("The view was removed."),
    "email_queued": _("The e-mail is sent once more."),
    "issuance_paused": _("Issuance is paused. What learners claim is kept."),
    "issuance_resumed": _("Issuance goes on. What waited is issued now, by itself."),
    "received": _("Received. This page shows the outcome as soon as it is decided."),
    "link_sent": _("A link to your certificate is on its way to your e-mail address."),
    "link_ended": _("The link has ended. Nobody can read your transcript with it any more."),
    "reported": _("Received. The office reads your report, and you get the answer by e-mail."),
    "account_created": _("Account created. You can now go on."),
}
"""What is said once on the page that a form leads to, by code."""


def page(template: str, *, status: int = 200, headers: dict[str, str] | None = None, **values: Any) -> Response:
    """Render a template as a page."""
    nobody = {"principal": None, "is_signed_in": False, "section": None, "notice": None}
    values = {**nobody, "path": "", "back": "/", "is_refused": False, "pauses": (), **values}
    view = {**values, "notice": NOTICES.get(values["notice"] or "")}
    return HTMLResponse(_environment().get_template(template).render(view), status, headers=headers)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    environment.policies["ext.i18n.trimmed"] = True
    environment.install_gettext_callables(gettext, ngettext, newstyle=True, pgettext=pgettext)  # type: ignore[attr-defined]  # added by the extension
    environment.filters.update(
        clock=clock, day=day, moment=moment, units=units, profile_words=profile_words, recorded=recorded
    )
    environment.globals.update(
        languages=LANGUAGES,
        current_language=current_language,
        lang_of_record=lang_of_record,
        new_key=new_key,
        office_roles=OFFICE_ROLES,
        auditing_roles=AUDITING_ROLES,
        office_words=office_words,
        profession_words=PROFESSION_WORDS,
        staff_roles=STAFF_ROLES,
        stage_names=STAGE_NAMES,
        stage_words=STAGE_WORDS,
        state_words=STATE_WORDS,
        event_words=EVENT_WORDS,
        event_groups=EVENT_GROUPS,
        format_words=FORMAT_WORDS,
    )
    return environment


def recorded(words: str) -> str:
    """A provider's own words, for the text of an element: said to be in the record's language where the page is not.

    Else a screen reader would read English as if it were Spanish (WCAG 3.1.2).
    """
    marked = Markup('<span lang="{}">{}</span>').format(ENGLISH, words)  # format escapes what it fills in
    return words if current_language() == ENGLISH else marked


def lang_of_record() -> str:
    """The same as an attribute, for elements that hold no other elements."""
    return "" if current_language() == ENGLISH else Markup(f' lang="{ENGLISH}"')  # noqa: S704  # a constant


def new_key() -> str:
    """A key of its own for each form that is shown, under which sending it twice has one effect."""
    return secrets.token_urlsafe(16)
