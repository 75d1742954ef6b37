"""What will go wrong in a run, and when: the seed alone decides."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from tests.faults.crash_points import POINTS, Action
from tests.faults.installation import PARTS, WORKERS
from tests.faults.network import WIRES
from tests.faults.post_office import Mood


class Kind(StrEnum):
    """One way of going wrong."""

    KILL = "kill -9"
    PAUSE = "SIGSTOP"
    CUT = "wire cut"
    SWALLOW = "black hole"
    DELAY = "slow wire"
    LOSE_COMMITS = "lost COMMIT replies"
    MAIL = "mail server"
    CRASH_POINT = "crash point"


@dataclass(frozen=True)
class Fault:
    """What goes wrong, ``wait`` seconds after the fault before, for ``seconds``; ``nth`` and ``how`` where it has any.

    ``target`` is a part, a wire or a crash point.
    """

    kind: Kind
    target: str
    wait: float
    seconds: float = 0.0
    nth: int = 1
    how: Mood | Action | None = None


# A paused server stands still for everybody; a worker may be paused for longer than its work may take (15 to 30 s).
_SERVER_PAUSE, _WORKER_PAUSE = (1.0, 5.0), (4.0, 35.0)
ZOMBIE_SECONDS = 32.0
_PAUSED = (*WORKERS[:3], "api", "temporal", "postgres")
# What each round has beside the kills. A part whose servers cannot be reached ends and is started again, each time
# later: so a cut is short.
_ROUND = (
    Kind.PAUSE, Kind.CUT, Kind.SWALLOW, Kind.DELAY, Kind.LOSE_COMMITS, Kind.MAIL, Kind.CRASH_POINT, Kind.CRASH_POINT,
)  # fmt: skip
_TO_POSTGRES = tuple(wire for wire in WIRES if wire.endswith(">postgres"))


def seeded(seed: int) -> random.Random:
    """Chance that comes again with its seed."""
    return random.Random(seed)  # noqa: S311  # Repeatable is what it must be.


def plan(seed: int, kills: int) -> list[Fault]:
    """A run's faults: each round kills every part once, so that none dies too often, with another fault after each."""
    chance = seeded(seed)
    faults: list[Fault] = []
    decks = {
        Kind.CRASH_POINT: _deck(chance, tuple(POINTS)),
        Kind.MAIL: _deck(chance, tuple(Mood)),
        Kind.PAUSE: _deck(chance, _PAUSED),
    }
    while kills > 0:
        turn = chance.sample(PARTS, len(PARTS))[:kills]
        others = chance.sample(_ROUND, len(_ROUND))
        for part, kind in zip(turn, others, strict=False):
            faults += [Fault(Kind.KILL, part, chance.uniform(0.5, 3)), _other(chance, kind, decks)]
        kills -= len(turn)
    return faults


def _deck(chance: random.Random, cards: tuple[str, ...]) -> Iterator[str]:
    """Every card comes once before any comes again."""
    while True:
        yield from chance.sample(cards, len(cards))


def _other(chance: random.Random, kind: Kind, decks: dict[Kind, Iterator[str]]) -> Fault:
    wait = chance.uniform(0.2, 2)
    match kind:
        case Kind.CRASH_POINT:
            point = next(decks[kind])
            how = chance.choice(POINTS[point])
            return Fault(kind, point, wait, ZOMBIE_SECONDS, chance.randint(1, 2), how)
        case Kind.MAIL:
            return Fault(kind, "post office", wait, nth=chance.randint(1, 2), how=Mood(next(decks[kind])))
        case Kind.PAUSE:
            part = next(decks[kind])
            return Fault(kind, part, wait, chance.uniform(*_WORKER_PAUSE if part in WORKERS else _SERVER_PAUSE))
        case Kind.LOSE_COMMITS:
            return Fault(kind, chance.choice(_TO_POSTGRES), wait, chance.uniform(3, 8), chance.randint(1, 4))
        case Kind.CUT:
            return Fault(kind, chance.choice(WIRES), wait, chance.uniform(0.1, 2))
        case _:
            return Fault(kind, chance.choice(WIRES), wait, chance.uniform(1, 8))
