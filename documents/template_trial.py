"""Trying a provider's own template with every sample on every paper, before anybody's certificate depends on it."""

import re
from typing import Final

from documents.jobs import Renderer, RenderFailedError, TemplateSource
from documents.models import Paper
from documents.samples import Sample, sample_job

_CAPITAL: Final = re.compile(r"(?<=[a-z])([A-Z])")


class TemplateFailsError(Exception):
    """A template fails with a sample; ``code`` is that of ``RenderFailedError``."""

    def __init__(self, sample: Sample, paper: Paper, code: str) -> None:
        self.sample = sample
        self.paper = paper
        self.code = code
        super().__init__(f"with the sample {sample} on {paper} paper: {words_of(code)}")


def try_out(template: TemplateSource, renderer: Renderer) -> None:
    """Render every sample on every paper. Raises ``TemplateFailsError`` for the first that fails."""
    for sample in Sample:
        for paper in Paper:
            render_sample(template, sample, paper, renderer)


def render_sample(template: TemplateSource | None, sample: Sample, paper: Paper, renderer: Renderer) -> bytes:
    """Return the PDF of one sample, with the built-in template where there is none. Raises ``TemplateFailsError``."""
    try:
        return renderer.render(sample_job(sample, paper, template))
    except RenderFailedError as error:
        raise TemplateFailsError(sample, paper, error.code) from None


def words_of(code: str) -> str:
    """A failure's code as words: ``LearnerNotShown`` becomes "learner not shown"."""
    return _CAPITAL.sub(r" \1", code).lower()
