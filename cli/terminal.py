"""Progress lines: coloured for a person at a terminal, plain for a file or a pipe."""

import sys
from collections.abc import Callable


def progress_printer() -> Callable[[str], None]:
    """Return the function that prints one progress line at once."""
    if not sys.stdout.isatty():
        return lambda line: print(line, flush=True)

    from rich.console import Console  # noqa: PLC0415  # Slow to import, and needed at a terminal only.
    from rich.text import Text  # noqa: PLC0415

    console = Console(highlight=False, soft_wrap=True)

    def print_coloured(line: str) -> None:
        text = Text(line)
        text.highlight_regex(r"ready in +[0-9.]+ s", "green")
        text.highlight_regex(r"https?://\S+", "cyan")
        console.print(text)

    return print_coloured
