"""The filter of the claims list as it stands in addresses and forms, and in words."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from starlette.datastructures import QueryParams

from api.formats import day, moment
from api.pages.staff.words import ATTENTION_WORDS
from api.pages.wording import STAGE_NAMES
from config.languages import gettext as _
from config.languages import marked
from domain.claims import Attention, Stage

# In the order of the form; what of them a view may hold is everything but the learner.
NAMES: Final = (
    "learner",
    "stage",
    "attention",
    "ce_activity",
    "provider",
    "due_before",
    "opened_from",
    "opened_until",
    "is_extension_requested",
)
LABELS: Final = {
    "learner": marked("Learner"),
    "stage": marked("Stage"),
    "attention": marked("Needs attention"),
    "ce_activity": marked("Activity"),
    "provider": marked("Provider"),
    "due_before": marked("Due before"),
    "opened_from": marked("Opened from"),
    "opened_until": marked("Opened until"),
    "is_extension_requested": marked("Asks for more time"),
    "sort": marked("Order"),
}
_LONGEST: Final = 320


@dataclass(frozen=True, slots=True)
class Filter:
    """What was chosen, by name, without what is empty."""

    chosen: Mapping[str, str]

    @classmethod
    def of(cls, fields: QueryParams | Mapping[str, str], names: Iterable[str] = NAMES) -> "Filter":
        """The part of a query that is a filter."""
        found = {name: str(fields.get(name) or "").strip()[:_LONGEST] for name in names}
        return cls({name: value for name, value in found.items() if value})

    def value(self, name: str) -> str:
        """What a field of the form shows."""
        return self.chosen.get(name, "")

    def day(self, name: str) -> str:
        """What a field for a day shows: also of a time."""
        return self.value(name)[:10]

    def without(self, *names: str) -> "Filter":
        """The same but for these."""
        return Filter({name: value for name, value in self.chosen.items() if name not in names})

    def address(self, path: str, **more: str) -> str:
        """A page's address with this filter in it."""
        query = urlencode({**self.chosen, **{name: value for name, value in more.items() if value}})
        return f"{path}?{query}" if query else path

    @property
    def words(self) -> list[str]:
        """What was chosen, one phrase for each part."""
        return [f"{_(LABELS[name])}: {_value_words(name, value)}" for name, value in self.chosen.items()]


def _value_words(name: str, value: str) -> str:
    if name == "stage" and value in set(Stage):
        return _(STAGE_NAMES[Stage(value)])
    if name == "attention" and value in set(Attention):
        return _(ATTENTION_WORDS[Attention(value)])
    if name == "is_extension_requested":
        return _("yes")
    if name in ("due_before", "opened_from", "opened_until"):
        return _time_words(value)
    return value


def _time_words(value: str) -> str:
    """A day or a time as people read it; what is neither stays as it was typed."""
    try:
        return moment(value, "UTC") if "T" in value else day(value)
    except ValueError:
        return value
