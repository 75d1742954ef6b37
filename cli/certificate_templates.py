"""``laurel templates``: providers' own certificate templates, looked at before staff publish them over HTTP."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cli.errors import StackError

if TYPE_CHECKING:
    from documents.jobs import TemplateSource

# ruff: noqa: PLC0415

app = typer.Typer(help="Providers' own certificate templates.", no_args_is_help=True)

Html = Annotated[
    Path, typer.Argument(help="The page: docs/certificates.md.", exists=True, dir_okay=False, readable=True)
]
Css = Annotated[Path, typer.Argument(help="Its style sheet.", exists=True, dir_okay=False, readable=True)]


@app.command(name="check")
def check_template(html: Html, css: Css) -> None:
    """Say everything that is wrong with a template, then try it with every sample, as publishing does."""
    from documents.render_process import ProcessRenderer
    from documents.template_trial import TemplateFailsError, try_out

    template = _read(html, css)
    renderer = ProcessRenderer()
    try:
        try_out(template, renderer)
    except TemplateFailsError as error:
        raise StackError(str(error)) from None
    finally:
        renderer.close()
    print("nothing is wrong, and every sample fits its page")


@app.command(name="preview")
def preview_template(
    html: Html,
    css: Css,
    *,
    out: Annotated[Path, typer.Option(help="The PDF to write.", dir_okay=False)],
    sample: Annotated[
        Literal["ordinary", "long", "scripts", "hostile", "participation", "sessions"],
        typer.Option(help="With which data."),
    ] = "ordinary",
    paper: Annotated[Literal["letter", "a4"], typer.Option(help="On which paper.")] = "letter",
) -> None:
    """Write a certificate that nobody holds, made with a template."""
    from documents.models import Paper
    from documents.render_process import ProcessRenderer
    from documents.samples import Sample
    from documents.template_trial import TemplateFailsError, render_sample

    template = _read(html, css)
    renderer = ProcessRenderer()
    try:
        out.write_bytes(render_sample(template, Sample(sample), Paper(paper), renderer))
    except TemplateFailsError as error:
        raise StackError(str(error)) from None
    finally:
        renderer.close()
    print(out)


def _read(html: Path, css: Path) -> "TemplateSource":
    """A template in which nothing is wrong."""
    from documents.jobs import TemplateSource
    from documents.template_lint import template_problems

    files = {"html": html, "css": css}
    try:
        template = TemplateSource(
            reference="preview@1", html=html.read_text(encoding="utf-8"), css=css.read_text(encoding="utf-8")
        )
    except UnicodeDecodeError:
        raise StackError("the files are text in UTF-8") from None
    problems = template_problems(template.html, template.css)
    if problems:
        raise StackError("\n".join(f"{files[each.part]}:{each.line}: {each.message}" for each in problems))
    return template
