"""Providers' own certificate templates: publish, look at them with samples, retire; and the pictures they print."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.responses import Response

from api.pages.form import Form
from api.pages.staff.addresses import api_address, form_errors, staff_address
from api.pages.staff.definition_fields import CREDIT_TYPES
from api.pages.visit import ApiProblem, Clerk, Reader, Visit
from api.pages.wording import field_words, problem_words
from config.languages import gettext as _
from config.languages import marked
from documents.images import MAXIMUM_BYTES
from documents.models import Paper
from documents.samples import Sample

router = APIRouter(prefix="/staff", include_in_schema=False)

Json = Mapping[str, Any]
_PDF: Final = "application/pdf"
_TYPED: Final = ("name", "provider", "credit_type", "html", "css", "reason")
PAPER_WORDS: Final = {Paper.LETTER: marked("Letter"), Paper.A4: "A4"}
SAMPLE_WORDS: Final = {
    Sample.ORDINARY: marked("An ordinary certificate"),
    Sample.LONG: marked("Long names and statements"),
    Sample.SCRIPTS: marked("Names in many scripts"),
    Sample.HOSTILE: marked("Names that look like code"),
    Sample.PARTICIPATION: marked("A certificate of participation"),
    Sample.SESSIONS: marked("Sixty sessions"),
}


@dataclass(frozen=True, slots=True)
class Templates:
    """Every template in its newest version."""

    templates: Sequence[Json]
    next_page: str | None
    samples: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class TemplateForm:
    """One template, or a new one, with what was typed and the mistakes in it."""

    template: Json | None
    typed: Mapping[str, str]
    mistakes: Sequence[str]
    samples: Sequence[tuple[str, str]]
    papers: Mapping[str, str]
    credit_types: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Images:
    """Every picture, and what is wrong with one that was sent."""

    images: Sequence[Json]
    next_page: str | None
    name: str
    mistakes: Sequence[str]


def _samples() -> list[tuple[str, str]]:
    return [(str(code), _(words)) for code, words in SAMPLE_WORDS.items()]


@router.get("/certificate-templates")
async def list_templates(visit: Reader, after: str = "") -> Response:
    """Every template, by name."""
    found = await visit.get("/v1/staff/certificate-templates", after=after, limit=50)
    query = urlencode({"after": found["next"] or ""})
    next_page = f"/staff/certificate-templates?{query}" if found["has_more"] else None
    view = Templates(found["data"], next_page, _samples())
    return visit.page("staff/certificate_templates/list.html", view=view)


@router.get("/certificate-sample.pdf")
async def show_sample(
    visit: Reader, name: str = "", version: int = 0, sample: str = Sample.ORDINARY, paper: str = Paper.LETTER
) -> Response:
    """A certificate that nobody holds, made with a published template or the built-in one."""
    chosen = {"name": name} if name else {}
    return _preview(visit, {**chosen, "version": version} if name and version else chosen, sample, paper)


@router.post("/certificate-sample.pdf")
async def show_sample_of_form(visit: Reader) -> Response:
    """The same with what is typed into the form and not published."""
    form = await visit.form()
    name = form.text("name")
    template = await visit.get(api_address("certificate-templates", name)) if form.text("is_known") else None

    async def refused(problem: ApiProblem) -> Response:
        return _form_page(visit, template, _typed(form), problem)

    document = {"html": form.text("html"), "css": form.text("css")}
    return _preview(visit, document, form.text("sample"), form.text("paper"), refused)


def _preview(visit: Visit, document: Json, sample: str, paper: str, refused: Any = None) -> Response:
    query = urlencode({"sample": sample, "paper": paper})
    path = f"/v1/staff/certificate-templates/preview?{query}"
    return visit.forward(path, document, accept=_PDF, refused=refused)


@router.get("/new-certificate-template")
async def show_new_template(visit: Clerk) -> Response:
    """The form for a new template."""
    return _form_page(visit, None, dict.fromkeys(_TYPED, ""))


@router.get("/certificate-templates/{name}")
async def show_template(visit: Reader, name: str, version: str = "") -> Response:
    """One version of a template with its source."""
    template = await visit.get(api_address("certificate-templates", name), version=version)
    typed = {field: str(template.get(field) or "") for field in _TYPED}
    return _form_page(visit, template, typed)


def _form_page(
    visit: Visit, template: Json | None, typed: Mapping[str, str], problem: ApiProblem | None = None
) -> Response:
    view = TemplateForm(
        template=template,
        typed=typed,
        mistakes=_mistakes(problem) if problem else (),
        samples=_samples(),
        papers={str(paper): _(words) for paper, words in PAPER_WORDS.items()},
        credit_types=CREDIT_TYPES,
    )
    status = problem.status if problem else 200
    return visit.page("staff/certificate_templates/edit.html", status=status, view=view)


def _mistakes(problem: ApiProblem) -> list[str]:
    """What is wrong with a template, to show beside the form; anything else is raised."""
    if problem.code == "template_invalid":
        return [f"{error['pointer']}: {error['message']}" for error in problem.document["errors"]]
    if problem.code == "validation_failed":
        return [error.get("message") or field_words(error["code"]) for error in problem.document["errors"]]
    if problem.code not in ("template_fails", "idempotency_key_reused"):
        raise problem
    return [problem_words(problem.document, "UTC")]


def _typed(form: Form) -> dict[str, str]:
    return {name: form.text(name) for name in _TYPED}


@router.post("/new-certificate-template")
async def add_template(visit: Reader) -> Response:
    """Publish a new template."""
    form = await visit.form()
    return await _publish(visit, form, form.text("name"), None)


@router.post("/certificate-templates/{name}")
async def publish_template(visit: Reader, name: str) -> Response:
    """Publish a new version of a template."""
    form = await visit.form()
    return await _publish(visit, form, name, await visit.get(api_address("certificate-templates", name)))


async def _publish(visit: Visit, form: Form, name: str, template: Json | None) -> Response:
    typed = {**_typed(form), "name": name}
    said = {field: typed[field] for field in ("provider", "credit_type", "reason") if typed[field]}
    document = {"html": typed["html"], "css": typed["css"], **said}
    path = api_address("certificate-templates", name or "-")
    try:
        answer = await visit.send("PUT", path, document, key=form.key)
    except ApiProblem as problem:
        return _form_page(visit, template, typed, problem)
    notice = "saved" if answer.document["is_new"] else "nothing_changed"
    return visit.redirect(staff_address("certificate-templates", name), notice)


@router.post("/certificate-templates/{name}/retire")
async def retire_template(visit: Reader, name: str) -> Response:
    """Let a template serve no new certificates."""
    form = await visit.form()
    template = await visit.get(api_address("certificate-templates", name))
    try:
        path = api_address("certificate-templates", name, "retire")
        await visit.send("POST", path, {"reason": form.text("reason")}, key=form.key)
    except ApiProblem as problem:
        if problem.code != "validation_failed":
            raise
        return _form_page(visit, template, {field: str(template.get(field) or "") for field in _TYPED}, problem)
    return visit.redirect(staff_address("certificate-templates", name), "saved")


@router.get("/images")
async def list_images(visit: Reader, after: str = "") -> Response:
    """Every logo and signature, by name."""
    return await _images_page(visit, after=after)


async def _images_page(visit: Visit, *, after: str = "", name: str = "", mistakes: Sequence[str] = ()) -> Response:
    found = await visit.get("/v1/staff/images", after=after, limit=50)
    query = urlencode({"after": found["next"] or ""})
    view = Images(found["data"], f"/staff/images?{query}" if found["has_more"] else None, name, mistakes)
    return visit.page("staff/images.html", status=422 if mistakes else 200, view=view)


@router.get("/images/{name}/picture")
async def show_picture(visit: Reader, name: str) -> Response:
    """The picture itself."""
    return visit.forward(api_address("images", name), accept="image/*")


@router.post("/images")
async def add_image(visit: Reader) -> Response:
    """Make a picture the current one of its name."""
    await visit.get("/v1/staff/images", limit=1)
    async with visit.form_with_file(MAXIMUM_BYTES) as form:
        name, mistakes = form.text("name"), await _add_image(visit, form)
    if mistakes:
        return await _images_page(visit, name=name, mistakes=mistakes)
    return visit.redirect("/staff/images", "saved")


async def _add_image(visit: Visit, form: Form) -> Sequence[str]:
    """Send the picture on; answers what is wrong with it."""
    file = form.file("file")
    if file is None:
        return [_("Choose a file.")]
    try:
        await visit.upload("PUT", api_address("images", form.text("name") or "-"), file, "image/png", key=form.key)
    except ApiProblem as problem:
        if problem.status != 422:  # noqa: PLR2004  # what is wrong with what was sent
            raise
        messages = [each.get("message") or field_words(each["code"]) for each in problem.document.get("errors") or ()]
        return messages or list(form_errors(problem).values())
    return ()
