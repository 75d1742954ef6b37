"""One certificate to be rendered, as a value that holds all of it, so that a process without any access can do it."""

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, Self

from documents.models import CertificateData


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateSource:
    """A provider's own template: Jinja source in HTML, and its style sheet. ``reference`` is ``<name>@<version>``.

    ``html`` is the source of a whole page, in the small language that ``documents.template_lint`` lets through; what it
    can print is in ``documents.template_fields``. ``css`` comes after ``templates/provider.css``, and has the typefaces
    in ``var(--sans)`` and ``var(--serif)``. A page may mark an element ``id="end-of-text"`` and one ``id="foot"``:
    where the first comes too close to the second, the page is made again with ``classes`` that hold ``snug``, then
    ``tight``, and at last ``tight flowing``.
    """

    reference: str
    html: str
    css: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateJob:
    """What is printed, with which template (None: the built-in one), pictures, and attached credential.

    ``images`` maps the SHA-256 of each picture that ``data`` names to its bytes. ``credential`` is the signed machine
    credential (JSON), attached to the PDF as ``credential.json``.
    """

    data: CertificateData
    template: TemplateSource | None = None
    images: Mapping[str, bytes] = field(default_factory=dict)
    credential: bytes | None = None

    def to_bytes(self) -> bytes:
        """Return the job as one line of JSON."""
        template = self.template
        values = {
            "data": self.data.to_json(),
            "template": template and {"reference": template.reference, "html": template.html, "css": template.css},
            "images": {sha256: b64encode(content).decode() for sha256, content in self.images.items()},
            "credential": None if self.credential is None else b64encode(self.credential).decode(),
        }
        return json.dumps(values, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, line: bytes) -> Self:
        """Read back what ``to_bytes`` returned; raises ``ValueError`` or ``KeyError`` when it is something else."""
        values = json.loads(line)
        return cls(
            data=CertificateData.from_json(values["data"]),
            template=TemplateSource(**values["template"]) if values["template"] else None,
            images={sha256: b64decode(content) for sha256, content in values["images"].items()},
            credential=None if values["credential"] is None else b64decode(values["credential"]),
        )


class RenderFailedError(Exception):
    """A certificate could not be rendered. ``code`` is a short CamelCase word that may stand in logs and in Temporal.

    ``is_final`` when the same job fails again, however often it is tried.
    """

    def __init__(self, code: str, *, is_final: bool) -> None:
        super().__init__(code)
        self.code = code
        self.is_final = is_final


class Renderer(Protocol):
    """Whatever turns jobs into PDFs."""

    def render(self, job: CertificateJob) -> bytes:
        """Return the PDF; raises ``RenderFailedError``."""
        ...
