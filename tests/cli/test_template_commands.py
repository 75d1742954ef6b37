"""Looking at certificate templates, and adding pictures, from the command line."""

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from domain.identities import new_id

EXAMPLE = Path(__file__).parents[2] / "examples" / "templates" / "great-lakes"
HTML, CSS = (str(EXAMPLE.with_suffix(ending)) for ending in (".html", ".css"))


def laurel(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cli", *arguments]
    variables = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **environment}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=variables, cwd=EXAMPLE.parents[2])


@pytest.fixture
def wrong(tmp_path: Path) -> Path:
    path = tmp_path / "wrong.html"
    path.write_text(Path(HTML).read_text().replace("{{ learner }}</p>", "{{ lerner }}</p>\n<script></script>"))
    return path


def test_a_template_is_previewed_into_a_file(tmp_path: Path) -> None:
    out = tmp_path / "sample.pdf"
    ended = laurel("templates", "preview", HTML, CSS, "--sample", "participation", "--paper", "a4", "--out", str(out))
    assert (ended.returncode, ended.stdout) == (0, f"{out}\n"), ended.stderr
    assert out.read_bytes().startswith(b"%PDF")


def test_each_mistake_is_told_with_file_and_line(wrong: Path) -> None:
    ended = laurel("templates", "check", str(wrong), CSS)
    assert ended.returncode == 1
    line = wrong.read_text().split("\n").index("<script></script>") + 1
    assert f"{wrong}:{line - 1}: names no value of a certificate; did you mean learner?" in ended.stderr
    assert f"{wrong}:{line}: has an element that runs code" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_template_that_fails_a_sample_is_told_which(tmp_path: Path) -> None:
    css = tmp_path / "hidden.css"
    css.write_text(Path(CSS).read_text() + ".learner { display: none }")
    ended = laurel("templates", "check", HTML, str(css))
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == "laurel: with the sample ordinary on letter paper: learner not shown\n"


def test_a_picture_is_added_once(tmp_path: Path, database_url: str) -> None:
    name, file = new_id("logo").replace("_", "-").lower(), tmp_path / "logo.png"
    Image.new("RGB", (100, 50), "navy").save(file)
    for told in ("new", "unchanged"):
        ended = laurel("images", "add", name, str(file), LAUREL_DATABASE_URL=database_url)
        assert (ended.returncode, ended.stdout) == (0, f"{name}: version 1, {told}\n"), ended.stderr
    listed = laurel("images", "list", LAUREL_DATABASE_URL=database_url)
    assert f"{name}: version 1, 100 x 50, image/png" in listed.stdout


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "logo.png"
    file.write_text("no picture")
    ended = laurel("images", "add", "logo", str(file))
    assert (ended.returncode, ended.stderr) == (1, f"laurel: {file}: Send one PNG or JPEG.\n")
    assert laurel("images", "add", "The Logo", str(file)).returncode == 1
