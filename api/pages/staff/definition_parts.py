"""Where the sections of the form stand in a definition, and the definition with one of them changed."""

from collections.abc import Mapping
from typing import Any, Final

from api.pages.form import Form
from api.pages.staff.definition_fields import SECTIONS, Section
from api.pages.staff.definition_forms import Json, labels_of, nearest, read, show
from config.languages import gettext

_PER_SESSION: Final = "per_session"
# In which order learners meet the steps, where nobody decided otherwise.
_ORDER: Final = ("statement", "participation", "disclosures", "content", "post_test", "evaluation", "finalization")


def index_of(section: Section, definition: Mapping[str, Any]) -> int | None:
    """The place of the requirement that a section is about; None where the definition has none."""
    for at, requirement in enumerate(definition.get("requirements", ())):
        is_per_session = requirement.get("asked") == _PER_SESSION
        if requirement["kind"] == section.requirement and is_per_session == section.is_per_session:
            return at
    return None


def values_of(section: Section, definition: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a section edits."""
    if section.requirement is None:
        return definition
    at = index_of(section, definition)
    return {} if at is None else definition["requirements"][at]


def place_of(section: Section, definition: Mapping[str, Any]) -> str:
    """Where that stands in the definition, as the API's mistakes name it: ``requirements.2.``."""
    at = None if section.requirement is None else index_of(section, definition)
    return "" if at is None else f"requirements.{at}."


def changed(section: Section, definition: Mapping[str, Any], form: Form) -> Json:
    """The definition with what was typed into a section's form."""
    if section.requirement is None:
        return read(section.fields, form, definition)
    requirements = list(definition["requirements"])
    at = index_of(section, definition)
    if not form.is_checked("is_asked"):
        kept = [each for number, each in enumerate(requirements) if number != at]
        return {**definition, "requirements": kept}
    typed = {"kind": section.requirement, **read(section.fields, form, values_of(section, definition))}
    if section.is_per_session:
        typed["asked"] = _PER_SESSION
    if at is not None:
        requirements[at] = typed
    else:
        requirements.insert(_place_for(section, requirements), typed)
    return {**definition, "requirements": requirements}


def _place_for(section: Section, requirements: list[Json]) -> int:
    """Before the first step that comes later."""
    rank = _ORDER.index(section.requirement or "")
    later = (at for at, each in enumerate(requirements) if _ORDER.index(each["kind"]) > rank)
    return next(later, len(requirements))


def label_elsewhere(definition: Mapping[str, Any], path: str) -> str:
    """What a field is called that a mistake is about, by the section that has it; the path when none has."""
    for section in SECTIONS:
        if section.requirement is not None and index_of(section, definition) is None:
            continue
        place = place_of(section, definition)
        labels = labels_of(show(section.fields, values_of(section, definition)))
        name = nearest(path.removeprefix(place), labels) if path.startswith(place) else None
        if name is not None:
            return f"{gettext(section.title)}, {labels[name]}"
    return path
