"""Uploaded pictures: what is stored is the picture and nothing else, and what is no picture does no harm."""

import struct
import zlib
from io import BytesIO

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from documents.images import MAXIMUM_BYTES, ImageRefusedError, clean_image


def picture(kind: str = "PNG", mode: str = "RGB", size: tuple[int, int] = (120, 60), **options: object) -> bytes:
    content = BytesIO()
    colour = tuple([120] * len(mode)) if mode.isalpha() and len(mode) > 1 else 120
    Image.new(mode, size, colour).save(content, kind, **options)
    return content.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def claiming(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims to be as large as this."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(bytes(100_000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + data + chunk(b"IEND", b"")


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_a_png_of_any_kind_becomes_a_plain_png(mode: str) -> None:
    clean = clean_image(picture(mode=mode))
    with Image.open(BytesIO(clean.content)) as stored:
        assert (stored.format, stored.size) == ("PNG", (120, 60))
        assert stored.mode in ("L", "RGB", "RGBA")
        assert (stored.mode == "RGBA") == (mode in ("LA", "RGBA"))
    assert (clean.media_type, clean.width, clean.height) == ("image/png", 120, 60)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_a_jpeg_becomes_a_plain_jpeg(mode: str) -> None:
    clean = clean_image(picture("JPEG", mode))
    with Image.open(BytesIO(clean.content)) as stored:
        assert (stored.format, stored.mode) == ("JPEG", "RGB")
    assert clean.media_type == "image/jpeg"


def test_a_jpeg_is_turned_as_its_camera_says() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    clean = clean_image(picture("JPEG", exif=exif))
    assert (clean.width, clean.height) == (60, 120)


def test_nothing_but_the_picture_is_kept() -> None:
    words = PngInfo()
    words.add_text("Comment", "canary <script>alert(1)</script>")
    exif = Image.Exif()
    exif[0x010E] = "canary"
    for raw in (
        picture(pnginfo=words) + b"<script>canary</script>PK\x03\x04canary",
        picture("JPEG", exif=exif, comment=b"canary") + b"canary",
    ):
        assert b"canary" in raw
        clean = clean_image(raw)
        assert b"canary" not in clean.content
        assert clean_image(raw) == clean


def test_a_16_bit_picture_keeps_its_shades() -> None:
    content = BytesIO()
    Image.new("I;16", (64, 64), 32_768).save(content, "PNG")
    with Image.open(BytesIO(clean_image(content.getvalue()).content)) as stored:
        assert stored.getpixel((5, 5)) in (127, 128)


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"x" * 100, b"%PDF-1.7", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff\xe0" + bytes(100), picture()[:-40], picture("JPEG")[:100], picture("GIF"), picture("BMP"),
        picture("TIFF"), picture("WEBP"), claiming(120, 60)[:60],
    ],
)  # fmt: skip
def test_what_is_no_whole_png_or_jpeg_is_refused(raw: bytes) -> None:
    with pytest.raises(ImageRefusedError):
        clean_image(raw)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (claiming(60_000, 60_000), "one PNG or JPEG"),
        (claiming(2**31 - 1, 2**31 - 1), "one PNG or JPEG"),
        (claiming(3_999, 3_999), "at most 6000000 pixels"),
        (claiming(4_001, 100), "Each side"),
        (picture(size=(31, 100)), "Each side"),
        (bytes(MAXIMUM_BYTES + 1), "at most 1 MB"),
    ],
)
def test_what_is_too_large_or_too_small_is_refused_before_it_is_decoded(raw: bytes, words: str) -> None:
    with pytest.raises(ImageRefusedError, match=words):
        clean_image(raw)
