"""My profile; and before there is one, looking me up and creating it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final, Self
from zoneinfo import available_timezones

from fastapi import APIRouter
from starlette.responses import Response

from api.pages.form import Form
from api.pages.visit import LANGUAGE_COOKIE, LANGUAGE_SECONDS, NEXT_COOKIE, ApiProblem, Reader, Visit, wanted_path
from api.pages.wording import PROFESSION_WORDS, field_words, profile_words
from config.languages import LANGUAGES
from config.languages import gettext as _
from domain.identifiers import IDENTIFIERS
from domain.people import ALWAYS_REQUIRED, NOT_AN_EMPLOYEE
from domain.policy import Profession

router = APIRouter(include_in_schema=False)

Json = Mapping[str, Any]

_NAMES: Final = ("given_name", "family_name", "credentials")
_LOOKED_UP: Final = ("given_name", "family_name", "employee_id")
_OFTEN_ASKED: Final = ("npi", "license_number", "employee_id")
# Where saving may lead back to, besides the profile itself.
_BACK: Final = re.compile(r"/(?:ce-activities|claims)/[A-Za-z0-9_-]{1,80}(?:\?code=[A-Za-z0-9%.-]{1,240})?")
_SLUG: Final = re.compile(r"/ce-activities/([a-z0-9-]{1,80})(?:[/?].*)?")
_LONGEST: Final = 1000


@dataclass(frozen=True, slots=True)
class IdentifierField:
    """An identifier that may be filled in, with who gave the number and what one looks like."""

    name: str
    label: str
    hint: str
    example: str
    value: str
    is_required: bool


@dataclass(frozen=True, slots=True)
class ProfilePage:
    """The form of a profile. ``shown`` identifiers are required, known or often asked for; ``others`` may be added.

    ``required`` names the fields that everyone has to fill in, or that ``ce_activity`` or a claim asks for; ``needs``
    are those that the page was opened for, and ``back`` is where saving leads then.
    """

    email: str
    values: Mapping[str, str]
    required: Sequence[str]
    shown: Sequence[IdentifierField]
    others: Sequence[IdentifierField]
    professions: Mapping[Profession, str]
    time_zones: Sequence[str]
    is_new: bool
    wants_reminders: bool
    shows_name: bool
    ce_activity: Json | None = None
    needs: Sequence[str] = ()
    back: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LookUpPage:
    """Who somebody is, before they create a profile; ``result`` is what the look-up found, if it was made."""

    email: str
    typed: Mapping[str, str]
    result: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)

    @property
    def employee_id_hint(self) -> str:
        """What such a number looks like, and what those write who have none."""
        example = _("Example: %(example)s") % {"example": IDENTIFIERS["employee_id"].example}
        return f"{example} · {_('NA if you are not an employee')}"


@router.get("/profile")
async def show_profile(visit: Reader, needs: str = "", back: str = "") -> Response:
    """My profile; whoever has none is first looked up.

    A claim or an activity that lacks something leads here with what it ``needs`` (names of fields, by commas) and the
    way ``back``.
    """
    profile = await visit.get("/v1/me")
    if profile["is_new"]:
        return visit.redirect("/profile/look-up")
    return await _render(visit, profile, came=_Came.read(needs, back))


@dataclass(frozen=True, slots=True)
class _Came:
    """Why somebody came to their profile: the fields that something needs, and where it is; both may be empty."""

    needs: Sequence[str] = ()
    back: str = ""

    @classmethod
    def read(cls, needs: str, back: str) -> Self:
        known = {*_NAMES, "profession", *IDENTIFIERS}
        needed = [name for name in needs[:_LONGEST].split(",") if name in known]
        return cls(needed, back if _BACK.fullmatch(back) else "")


_NOWHERE: Final = _Came()


@router.post("/profile")
async def change_profile(visit: Reader) -> Response:
    """Change my profile."""
    form = await visit.form()
    came = _Came.read(form.text("needs"), form.text("back"))
    response = await _save(visit, came.back or "/profile", "saved", came)
    language = form.text("language")
    if response.status_code == HTTPStatus.SEE_OTHER and language in LANGUAGES:
        visit.set_cookie(response, LANGUAGE_COOKIE, language, LANGUAGE_SECONDS)
    return response


@router.get("/profile/create")
async def ask_for_profile(visit: Reader) -> Response:
    """Create my profile, with what the activity that I came for asks for."""
    return await _render(visit, await visit.get("/v1/me"))


@router.post("/profile/new")
async def begin_profile(visit: Reader) -> Response:
    """The form to create my profile, with what I typed when I was looked up: it stands in no address."""
    form = await visit.form()
    profile = await visit.get("/v1/me")
    if not profile["is_new"]:
        return visit.redirect("/profile")
    return await _render(visit, profile, given=_looked_up(form))


@router.post("/profile/create")
async def create_profile(visit: Reader) -> Response:
    """Create my profile, and go back to what I came for."""
    response = await _save(visit, wanted_path(visit.request), "account_created")
    if response.status_code == HTTPStatus.SEE_OTHER:
        visit.forget_cookie(response, NEXT_COOKIE)
    return response


async def _save(visit: Visit, lead_to: str, notice: str, came: _Came = _NOWHERE) -> Response:
    form = await visit.form()
    profile = await visit.get("/v1/me")
    ce_activity = await _wanted_activity(visit) if profile["is_new"] else None
    typed = _typed(form)
    required = (*_required(ce_activity), *came.needs)
    missing = {name: _("Fill this in.") for name in required if name != "email" and not typed.get(name)}
    if not missing:
        try:
            await visit.send("PATCH", "/v1/me", _changes(form, typed), key=form.key)
        except ApiProblem as problem:
            if problem.status != HTTPStatus.UNPROCESSABLE_ENTITY:
                raise
            missing = _wrong(problem, typed)
        else:
            return visit.redirect(lead_to, notice=notice)
    return await _render(visit, profile, form, missing, HTTPStatus.UNPROCESSABLE_ENTITY, came=came)


def _typed(form: Form) -> dict[str, str]:
    names = (*_NAMES, "profession", "time_zone", *IDENTIFIERS)
    return {name: form.text(name)[:_LONGEST] for name in names}


def _changes(form: Form, typed: Mapping[str, str]) -> dict[str, Any]:
    """What the API is asked to change; an identifier that was emptied is removed, one that was not shown stays."""
    return {
        "given_name": typed["given_name"] or None,
        "family_name": typed["family_name"] or None,
        "credentials": typed["credentials"] or None,
        "profession": typed["profession"] or None,
        "time_zone": typed["time_zone"] or None,
        **({"language": language} if (language := form.text("language")) in LANGUAGES else {}),
        "wants_reminders": form.is_checked("wants_reminders"),
        "shows_name": form.is_checked("shows_name"),
        "identifiers": {kind: typed[kind] or None for kind in IDENTIFIERS if kind in form.names},
    }


def _wrong(problem: ApiProblem, typed: Mapping[str, str]) -> dict[str, str]:
    """What is wrong with each field. Of identifiers the API says that one is wrong: it is found by its format."""
    errors = {name: field_words(each["code"]) for name, each in problem.errors_by_field().items() if name in typed}
    if problem.code == "employee_id_unknown":
        return {"employee_id": field_words("employee_id_unknown")}
    if not errors:
        errors = {
            kind: f"{profile_words(kind)}: {field_words('identifier_format')}"
            for kind, value in typed.items()
            if value and kind in IDENTIFIERS and not _is_writable(kind, value)
        }
    return errors or {"given_name": _("Check what you typed, and send it again.")}


def _is_writable(kind: str, value: str) -> bool:
    is_none = kind == "employee_id" and re.sub(r"[\s./]", "", value).upper() == NOT_AN_EMPLOYEE
    return is_none or IDENTIFIERS[kind].normalize(value) is not None


async def _wanted_activity(visit: Visit) -> Json | None:
    """The activity that somebody came for, before they had a profile; None for another page, or none."""
    found = _SLUG.fullmatch(wanted_path(visit.request))
    if found is None:
        return None
    try:
        ce_activity: Json = await visit.get(f"/v1/ce-activities/{found[1]}")
    except ApiProblem:
        return None
    return ce_activity


def _required(ce_activity: Json | None) -> Sequence[str]:
    return ce_activity["profile_fields"] if ce_activity else ALWAYS_REQUIRED


async def _render(
    visit: Visit,
    profile: Json,
    form: Form | None = None,
    errors: Mapping[str, str] | None = None,
    status: int = HTTPStatus.OK,
    *,
    came: _Came = _NOWHERE,
    given: Mapping[str, str] = MappingProxyType({}),
) -> Response:
    """The form, as it was sent, or with what is on record and what was ``given`` elsewhere."""
    ce_activity = await _wanted_activity(visit) if profile["is_new"] else None
    required = [*_required(ce_activity), *came.needs]
    known = {**{name: profile[name] or "" for name in (*_NAMES, "profession", "time_zone")}, **profile["identifiers"]}
    values = _typed(form) if form else {**known, **given}
    shown = {*required, *_OFTEN_ASKED, *(name for name, value in {**known, **values}.items() if value)}
    view = ProfilePage(
        email=profile["email"],
        values=values,
        required=required,
        shown=[_identifier(kind, values, required) for kind in IDENTIFIERS if kind in shown],
        others=[_identifier(kind, values, required) for kind in IDENTIFIERS if kind not in shown],
        professions=PROFESSION_WORDS,
        time_zones=_time_zones(),
        is_new=profile["is_new"],
        wants_reminders=form.is_checked("wants_reminders") if form else profile["wants_reminders"],
        shows_name=form.is_checked("shows_name") if form else profile["shows_name"],
        ce_activity=ce_activity,
        needs=came.needs,
        back=came.back,
        errors=errors or {},
    )
    return visit.page("learner/profile.html", status=status, view=view)


def _identifier(kind: str, values: Mapping[str, str], required: Sequence[str]) -> IdentifierField:
    described = IDENTIFIERS[kind]
    return IdentifierField(
        name=kind,
        label=profile_words(kind),
        # The rules that a description names are for those who write definitions.
        hint=re.sub(r" \(R-[^)]*\)", "", _(described.description)),
        example=described.example,
        value=values.get(kind, ""),
        is_required=kind in required,
    )


@cache
def _time_zones() -> tuple[str, ...]:
    """Zones with a city, which is how people know them."""
    regions = ("Africa/", "America/", "Asia/", "Atlantic/", "Australia/", "Europe/", "Indian/", "Pacific/")
    return (*sorted(name for name in available_timezones() if name.startswith(regions)), "UTC")


@router.get("/profile/look-up")
async def ask_who(visit: Reader) -> Response:
    """Ask who I am, before I create a profile; whoever has one has no need of this."""
    profile = await visit.get("/v1/me")
    if not profile["is_new"]:
        return visit.redirect("/profile")
    return visit.page("learner/look_up.html", view=LookUpPage(profile["email"], {}))


@router.post("/profile/look-up")
async def look_up(visit: Reader) -> Response:
    """Whether I have an account under another address; nothing about it is told here."""
    form = await visit.form()
    profile = await visit.get("/v1/me")
    typed = _looked_up(form)
    try:
        answer = await visit.send("POST", "/v1/me/lookup", typed, key=form.key)
    except ApiProblem as problem:
        return _look_up_refused(visit, profile, typed, problem)
    view = LookUpPage(profile["email"], typed, answer.document["result"])
    return visit.page("learner/look_up.html", view=view)


def _looked_up(form: Form) -> dict[str, str]:
    return {name: form.text(name)[:_LONGEST] for name in _LOOKED_UP}


def _look_up_refused(visit: Visit, profile: Json, typed: Mapping[str, str], problem: ApiProblem) -> Response:
    if problem.code == "profile_exists":
        return visit.redirect("/profile")
    if problem.status == HTTPStatus.TOO_MANY_REQUESTS:
        errors = {"given_name": _("You looked five times within an hour. Wait an hour, or create your profile.")}
    elif problem.status == HTTPStatus.UNPROCESSABLE_ENTITY:
        errors = {name: field_words(each["code"]) for name, each in problem.errors_by_field().items()}
    else:
        raise problem
    view = LookUpPage(profile["email"], typed, errors=errors)
    return visit.page("learner/look_up.html", status=problem.status, view=view)
