"""A form as a browser sent it."""

from typing import Any

from starlette.datastructures import UploadFile


class Form:
    """The fields of a form that a browser sent."""

    def __init__(self, fields: Any) -> None:
        self._fields = fields

    def text(self, name: str) -> str:
        """What was typed, without white space around it; empty when nothing was."""
        value = self._fields.get(name)
        return value.strip() if isinstance(value, str) else ""

    def texts(self, name: str) -> list[str]:
        """Everything that was chosen under one name."""
        return [value for value in self._fields.getlist(name) if isinstance(value, str)]

    def is_checked(self, name: str) -> bool:
        """Whether a box was ticked."""
        return self.text(name) != ""

    def file(self, name: str) -> UploadFile | None:
        """The file that was chosen, if any."""
        value = self._fields.get(name)
        return value if isinstance(value, UploadFile) and value.filename else None

    @property
    def names(self) -> list[str]:
        """The names of all fields, in their order."""
        return list(dict.fromkeys(self._fields))

    @property
    def key(self) -> str | None:
        """The form's own key, under which sending it twice has one effect."""
        return self.text("key") or None
