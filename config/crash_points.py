"""Named places at which a test may end, stop or delay the process: between an effect and the record of it.

They cost a comparison. Only processes that ``tests.faults`` starts load something that reacts; no setting does.
"""

from collections.abc import Callable

_react: Callable[[str], None] | None = None


def crash_point(*name: str) -> None:
    """Say that a place is reached; the parts of its name are joined by a dot."""
    if _react is not None:
        _react(".".join(name))


def react_with(react: Callable[[str], None] | None) -> None:
    """Have something called with the name of each place that is reached; None ends that."""
    global _react  # noqa: PLW0603  # One process, one reaction: nothing may have to be passed to the places.
    _react = react
