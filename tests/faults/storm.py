"""A plan carried out: each fault is done, and undone when its time is over, while others happen."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from signal import SIGCONT, SIGSTOP

from cli.local.processes import wait_until
from tests.faults.crash_points import POINTS, Action
from tests.faults.installation import Installation
from tests.faults.plan import ZOMBIE_SECONDS, Fault, Kind
from tests.faults.post_office import Mood
from tests.faults.proxy import Wire

_RESTART_SECONDS = 60


class Storm:
    """``met`` counts the faults that were done, by kind; of crash points and mail, those that somebody ran into."""

    def __init__(self, installation: Installation, plan: Sequence[Fault], *, loses_temporal: bool = False) -> None:
        self._installation = installation
        self._plan = plan
        self._loses_temporal = loses_temporal
        self._undoing: set[asyncio.Task[None]] = set()
        self._continued = 0
        self._met: Counter[str] = Counter()

    async def run(self) -> None:
        """Do everything; halfway, kill the supervisor too and start it again. Afterwards nothing is wrong any more."""
        ghosts = asyncio.create_task(self._continue_stopped())
        try:
            for number, fault in enumerate(self._plan):
                await asyncio.sleep(fault.wait)
                if number == len(self._plan) // 2:
                    await self._restart()
                await self._do(fault)
        finally:
            ghosts.cancel()
            await self.calm()

    async def calm(self) -> None:
        """Undo everything."""
        for task in self._undoing:
            task.cancel()
        self._installation.network.heal()
        self._installation.crash_points.disarm()
        await asyncio.to_thread(self._installation.continue_all)

    @property
    def met(self) -> Counter[str]:
        """What happened, by kind of fault, and by what happened at crash points and at the mail server."""
        fired = Counter(f"crash point: {each.action}" for each in self._installation.crash_points.fired())
        network = self._installation.network
        mail = Counter({f"mail server: {mood}": count for mood, count in network.post_office.met.items()})
        lost = Counter({"COMMIT replies lost": sum(wire.lost for wire in network.wires.values())})
        return self._met + fired + mail + lost

    @property
    def unreached(self) -> list[str]:
        """The crash points that did not act."""
        return sorted(set(POINTS) - {each.name for each in self._installation.crash_points.fired()})

    async def _restart(self) -> None:
        await self.calm()
        await asyncio.to_thread(self._installation.kill_supervisor)
        if self._loses_temporal:
            self._installation.lose_temporal()
        await asyncio.to_thread(self._installation.start)
        if self._loses_temporal:
            code, said = await asyncio.to_thread(self._installation.command, "reconcile")
            assert code == 0, said
            self._met["Temporal's database lost"] += 1

    async def _do(self, fault: Fault) -> None:
        network = self._installation.network
        match fault.kind:
            case Kind.KILL:
                await asyncio.to_thread(wait_until, partial(self._installation.kill, fault.target), _RESTART_SECONDS)
            case Kind.PAUSE:
                self._installation.send(fault.target, SIGSTOP)
                self._later(fault.seconds, partial(self._installation.send, fault.target, SIGCONT))
            case Kind.CRASH_POINT:
                self._installation.crash_points.arm(fault.target, fault.nth, Action(fault.how or ""))
                return
            case Kind.MAIL:
                network.post_office.order(Mood(fault.how or ""), fault.nth)
                return
            case _:
                network.change(fault.target, partial(_harm, fault))
                self._later(fault.seconds, partial(network.change, fault.target, Wire.heal))
        self._met[fault.kind] += 1

    def _later(self, seconds: float, undo: Callable[[], object]) -> None:
        async def wait_and_undo() -> None:
            await asyncio.sleep(seconds)
            undo()

        task = asyncio.create_task(wait_and_undo())
        self._undoing.add(task)
        task.add_done_callback(self._undoing.discard)

    async def _continue_stopped(self) -> None:
        """Let processes go on that stopped themselves at a crash point, when others have long done their work."""
        while True:
            fired = self._installation.crash_points.fired()
            for each in fired[self._continued :]:
                if each.action is Action.STOP:
                    self._later(ZOMBIE_SECONDS, partial(self._installation.continue_process, each.pid))
            self._continued = len(fired)
            await asyncio.sleep(0.5)


def _harm(fault: Fault, wire: Wire) -> None:
    match fault.kind:
        case Kind.CUT:
            wire.cut()
        case Kind.SWALLOW:
            wire.swallow()
        case Kind.DELAY:
            wire.delay = fault.seconds / 8
        case Kind.LOSE_COMMITS:
            wire.lose_commits = fault.nth
