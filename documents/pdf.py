"""The PDF engine: WeasyPrint with our fonts only, without network or files, and with the same bytes every time."""

import os
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from threading import Lock
from typing import Any, Protocol
from xml.etree import ElementTree as ET

with warnings.catch_warnings():
    # WeasyPrint warns on import where the system has no fonts or no libharfbuzz-subset. We bring the fonts, and
    # without that library it falls back to fontTools: slower (0.1 s and more for each font), but right.
    warnings.simplefilter("ignore")
    import pydyf  # type: ignore[import-untyped]
    from cssselect2 import ElementWrapper  # type: ignore[import-untyped]
    from weasyprint import CSS, HTML, Attachment
    from weasyprint.css import ColorProfile
    from weasyprint.document import Document
    from weasyprint.text.fonts import FontConfiguration
    from weasyprint.urls import URLFetcher, URLFetcherResponse

from documents.typefaces import FONT_FOLDER, LATIN_GREEK_CYRILLIC, Typeface, font_bytes, font_rules, typefaces_for

_LEAST_GAP = 16.0  # CSS pixels between the text and the foot
_VARIANT = "pdf/a-3a"
_OUTPUT_INTENT = "standard-rgb"
_HTML_CSS = Path(__file__).parent / "templates" / "html.css"
_NO_SYSTEM_FONTS = FONT_FOLDER / "fontconfig.xml"

# PDF/A wants a property that it does not know described where it is used: the PDF/UA identifier brings its schema.
_PDF_UA_IDENTIFIER = b"""
<rdf:Description rdf:about="" xmlns:pdfuaid="http://www.aiim.org/pdfua/ns/id/"><pdfuaid:part>1</pdfuaid:part>
</rdf:Description>
<rdf:Description rdf:about="" xmlns:pdfaExtension="http://www.aiim.org/pdfa/ns/extension/"
 xmlns:pdfaSchema="http://www.aiim.org/pdfa/ns/schema#" xmlns:pdfaProperty="http://www.aiim.org/pdfa/ns/property#">
<pdfaExtension:schemas><rdf:Bag><rdf:li rdf:parseType="Resource">
<pdfaSchema:schema>PDF/UA identification</pdfaSchema:schema>
<pdfaSchema:namespaceURI>http://www.aiim.org/pdfua/ns/id/</pdfaSchema:namespaceURI>
<pdfaSchema:prefix>pdfuaid</pdfaSchema:prefix>
<pdfaSchema:property><rdf:Seq><rdf:li rdf:parseType="Resource">
<pdfaProperty:name>part</pdfaProperty:name><pdfaProperty:valueType>Integer</pdfaProperty:valueType>
<pdfaProperty:category>internal</pdfaProperty:category>
<pdfaProperty:description>The part of ISO 14289 that the file conforms to</pdfaProperty:description>
</rdf:li></rdf:Seq></pdfaSchema:property></rdf:li></rdf:Bag></pdfaExtension:schemas></rdf:Description>
"""


class Picture(Protocol):
    """What the engine asks of an image, in WeasyPrint's words."""

    def get_intrinsic_size(self, resolution: Any, font_size: Any, /) -> tuple[float, float, float]:
        """Return width, height and their ratio."""
        ...

    def draw(self, stream: Any, width: float, height: float, style: Any, /) -> None:
        """Draw on the page, downwards from (0, 0) in CSS pixels; the caller restores the state of the stream."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachedFile:
    """A file inside the PDF, as data that belongs to the whole of it (PDF/A-3).

    Its name's ending says its media type; ``made_at``, in UTC, is printed into the bytes.
    """

    name: str
    description: str
    content: bytes
    made_at: datetime


class PdfEngine:
    """Turns our own HTML into PDF. Safe to share between threads: Pango's font map is not, so renders take turns."""

    def __init__(self, stylesheet: str) -> None:
        """Load the typefaces of Europe and parse the style sheet, in a tenth of a second; a render takes some 40 ms.

        The typefaces of other scripts come with the first page that needs them, which takes up to another second. The
        style sheet finds all of them in ``var(--sans)`` and ``var(--serif)``.
        """
        # Where fontTools has to cut the fonts down, it would write the time of day into them.
        os.environ["SOURCE_DATE_EPOCH"] = "0"
        self._turn = Lock()
        self._fonts = _bundled_fonts_only()
        self._fetcher = URLFetcher(allowed_protocols=["data"], allow_redirects=False)
        # WeasyPrint's own profile, read once: left to itself, WeasyPrint leaves the file open after every document.
        self._colours = (files("weasyprint.pdf") / "sRGB2014.icc").read_bytes()
        self._html_stylesheet = CSS(string=_HTML_CSS.read_text(encoding="utf-8"))
        self._brought: set[Typeface] = set()
        self._stylesheet = CSS(string=font_rules((), "") + stylesheet, url_fetcher=self._fetcher)
        self._bring(LATIN_GREEK_CYRILLIC)

    def render(
        self,
        pages: Iterable[str],
        identifier: str,
        *,
        pictures: Mapping[str, Picture] | None = None,
        attachments: Iterable[AttachedFile] = (),
        stylesheet: str | None = None,
        check: Callable[[Document], None] | None = None,
    ) -> bytes:
        """Return the PDF of the first of these pages that is not crowded, or else of the last; see ``lay_out``.

        ``check`` looks at the pages that were chosen, and raises when they must not be written.
        """
        with self._turn:
            document = self._first_that_fits(pages, pictures or {}, stylesheet)
            if check is not None:
                check(document)
            pdf: bytes = document.write_pdf(
                pdf_variant=_VARIANT,
                pdf_identifier=identifier,
                output_intent=_OUTPUT_INTENT,
                attachments=[self._attachment(file) for file in attachments],
                finisher=_finish,
            )
            return pdf

    def lay_out(
        self, pages: Iterable[str], *, pictures: Mapping[str, Picture] | None = None, stylesheet: str | None = None
    ) -> Document:
        """Return the layout of the first of these pages that is not crowded, or else of the last.

        A page is crowded if on the first sheet its element ``end-of-text`` leaves no gap above its element ``foot``.
        An image whose address is a key of ``pictures`` is drawn by that picture. ``stylesheet`` is CSS for these pages
        in place of the engine's own; it can name the engine's fonts, and whatever it wants fetched is not.
        """
        with self._turn:
            return self._first_that_fits(pages, pictures or {}, stylesheet)

    def _first_that_fits(
        self, pages: Iterable[str], pictures: Mapping[str, Picture], stylesheet: str | None
    ) -> Document:
        stylesheets = [self._stylesheet]
        if stylesheet is not None:
            # Without the fonts' configuration: no such style sheet can bring a typeface into later certificates.
            stylesheets = [CSS(string=font_rules((), "") + stylesheet, url_fetcher=self._fetcher)]
        images = dict(pictures)  # to which the engine adds those that it has decoded
        for page in pages:
            self._bring(typefaces_for(page))
            document = self._lay_out(page, images, stylesheets)
            if not _is_crowded(document):
                break
        return document

    def _bring(self, typefaces: Iterable[Typeface]) -> None:
        """Make typefaces known to the engine, once; no page looks different for those that others have brought."""
        for typeface in typefaces:
            if typeface not in self._brought:
                CSS(string=typeface.rule("bundled:/"), url_fetcher=_fetch_font, font_config=self._fonts)
                self._brought.add(typeface)

    def _lay_out(self, page: str, images: dict[str, Any], stylesheets: list[CSS]) -> Document:
        return _Page(page, self._fetcher, self._html_stylesheet).render(
            stylesheets=stylesheets,
            font_config=self._fonts,
            color_profiles={_OUTPUT_INTENT: self._colour_profile()},
            pdf_variant=_VARIANT,
            output_intent=_OUTPUT_INTENT,
            cache=images,
        )

    def _attachment(self, file: AttachedFile) -> Attachment:
        return Attachment(
            string=file.content,
            name=file.name,
            description=file.description,
            created=file.made_at,
            modified=file.made_at,
            relationship="Data",
            url_fetcher=self._fetcher,  # which fetches nothing here; WeasyPrint would make one for each file
        )

    def _colour_profile(self) -> ColorProfile:
        # A new one each time: writing a profile changes the bytes that it writes next.
        return ColorProfile(BytesIO(self._colours), "sRGB2014.icc", "relative-colorimetric", (["r"], ["g"], ["b"]))


class _Page(HTML):  # type: ignore[misc]
    """A page as WeasyPrint wants it; what is well-formed is read by expat, in a tenth of the time."""

    def __init__(self, page: str, fetcher: URLFetcher, stylesheet: CSS) -> None:
        self._stylesheet = stylesheet
        try:
            # Safe: the markup is our template's, and expat neither fetches entities nor lets them grow without bound.
            root = ET.fromstring(page)  # noqa: S314
        except ET.ParseError:
            super().__init__(string=page, url_fetcher=fetcher)
        else:
            self.base_url = None
            self.url_fetcher = fetcher
            self.media_type = "print"
            self.etree_element = root
            self.wrapper_element = ElementWrapper.from_html_root(root, content_language=None)

    def _ua_stylesheets(self, forms: bool = False) -> list[CSS]:  # noqa: ARG002, FBT001, FBT002 - WeasyPrint's signature
        """Stand in for the style sheet of a whole browser; without this hook the result is the same, but later."""
        return [self._stylesheet]


def _bundled_fonts_only() -> FontConfiguration:
    """Return a font configuration that knows no font of the system, so that none can slip into a certificate."""
    before = os.environ.get("FONTCONFIG_FILE")
    os.environ["FONTCONFIG_FILE"] = str(_NO_SYSTEM_FONTS)
    try:
        return FontConfiguration()
    finally:
        if before is None:
            del os.environ["FONTCONFIG_FILE"]
        else:
            os.environ["FONTCONFIG_FILE"] = before


def _fetch_font(url: str) -> URLFetcherResponse:
    return URLFetcherResponse(url, font_bytes(url.rpartition("/")[2]), {"Content-Type": "font/woff2"})


def _is_crowded(document: Document) -> bool:
    anchors = document.pages[0].anchors
    if "foot" not in anchors or "end-of-text" not in anchors:
        return False
    return bool(anchors["end-of-text"][3] + _LEAST_GAP > anchors["foot"][1])


def _finish(document: Document, pdf: Any) -> None:  # noqa: ARG001 - the signature is WeasyPrint's
    _claim_pdf_ua(pdf)
    pdf.objects[1:] = [_Written(item) for item in pdf.objects[1:]]


def _claim_pdf_ua(pdf: Any) -> None:
    """Add the PDF/UA identifier inside the one RDF block, which signing tools would otherwise drop."""
    number = int(pdf.catalog["Metadata"].split()[0])
    metadata = pdf.objects[number]
    metadata.stream = [part.replace(b"</rdf:RDF>", _PDF_UA_IDENTIFIER + b"</rdf:RDF>") for part in metadata.stream]


class _Written(pydyf.Object):  # type: ignore[misc]
    """An object of the PDF as bytes: pydyf asks for them twice, for the file and for its hash, and compresses anew."""

    data = b""
    compressible = False

    def __init__(self, item: pydyf.Object) -> None:
        super().__init__()
        self.number = item.number
        self.data = item.data
        self.compressible = item.compressible
