"""Figures of a load bench as one Markdown table, with what they are compared to and the bars they should hold."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One line: a value, what the same run measured as its floor, and the bar, if it has one.

    ``most`` and ``least`` are bars for the value; ``most_ratio`` is one for its ratio to the floor. ``is_certain``
    marks what must hold at any scale: that nothing is lost, as opposed to how fast it goes.
    """

    what: str
    value: float
    unit: str = ""
    floor: float | None = None
    most: float | None = None
    least: float | None = None
    most_ratio: float | None = None
    is_certain: bool = False

    @property
    def ratio(self) -> float | None:
        """How many times the floor it is; None without one."""
        return self.value / self.floor if self.floor else None

    @property
    def bar(self) -> str:
        """The bar in words; empty without one."""
        if self.most_ratio is not None:
            return f"at most {self.most_ratio:g}x"
        if self.most is not None:
            return f"at most {self.most:,g}"
        return f"at least {self.least:,g}" if self.least is not None else ""

    @property
    def is_held(self) -> bool:
        """Whether it keeps to its bar; one that can't be told because its floor is missing does not."""
        if self.most_ratio is not None:
            return self.ratio is not None and self.ratio <= self.most_ratio
        is_low = self.most is None or self.value <= self.most
        return is_low and (self.least is None or self.value >= self.least)

    def cells(self) -> tuple[str, ...]:
        """The line's cells."""
        measured = f"{number(self.value)} {self.unit}".strip()
        floor = "" if self.floor is None else number(self.floor)
        ratio = "" if self.ratio is None else f"{self.ratio:.2f}"
        held = ("yes" if self.is_held else "**missed**") if self.bar else ""
        return (self.what, measured, floor, ratio, self.bar, held)


def number(value: float) -> str:
    """With as many digits as a reader needs."""
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def print_table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    """Print Markdown."""
    names = list(header)
    print("\n" + "\n".join(f"| {' | '.join(row)} |" for row in [names, ["---"] * len(names), *rows]), flush=True)


def show(title: str, figures: Iterable[Figure], *, is_full_scale: bool) -> int:
    """Print the table; the status to end with: 1 if a bar was missed, which only counts at full scale.

    What must hold at any scale counts at any.
    """
    lines = list(figures)
    print_table((title, "Measured", "Floor, same run", "Ratio", "Bar", "Held"), [line.cells() for line in lines])
    return 1 if any(not line.is_held and (is_full_scale or line.is_certain) for line in lines) else 0
