"""The QR code that leads to the page where anyone can check a certificate."""

import re
from typing import Any

import segno

_DARK = "#1d2522"  # the colour of the text


class QrCode:
    """A QR code without a margin: an image for a web page, and a ``Picture`` for the PDF engine."""

    def __init__(self, text: str) -> None:
        """Encode the text so that the code can be read with a seventh of it damaged."""
        # Every mask can be read; to try all eight for the prettiest costs a tenth of the time of a certificate.
        self._code = segno.make(text, error="m", mask=3, micro=False)

    def svg_data_uri(self) -> str:
        """Return the code as the address of an SVG image that holds it."""
        uri: str = self._code.svg_data_uri(border=0, omitsize=True, dark=_DARK)
        return uri

    def get_intrinsic_size(self, _resolution: object, _font_size: object) -> tuple[float, float, float]:
        """Return width and height in modules, and their ratio."""
        side = len(self._code.matrix)
        return side, side, 1

    def draw(self, stream: Any, width: float, height: float, _style: object) -> None:
        """Draw each run of dark modules as a rectangle; from an SVG image the engine would take 5 ms to do so."""
        matrix = self._code.matrix
        stream.transform(a=width / len(matrix), d=height / len(matrix))
        stream.set_color_rgb(*(part / 255 for part in bytes.fromhex(_DARK[1:])))
        stream.stream.append(self._rectangles())
        stream.fill()

    def _rectangles(self) -> bytes:
        """All in one piece, because the engine would handle each of some three hundred on its own."""
        runs = ((y, run) for y, row in enumerate(self._code.matrix) for run in re.finditer(b"\x01+", row))
        return "\n".join(f"{run.start()} {y} {len(run[0])} 1 re" for y, run in runs).encode()
