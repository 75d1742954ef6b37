"""A worker that says what its pools of threads spent their CPU on; started by ``bench/profile.py``.

    python -m bench.measured_worker claims

It is the worker of the product with another class for its thread pools: one that adds up each task's CPU time under a
name, the activity's or the pool's, and writes the sums to a file twice a second.
"""

import asyncio
import concurrent.futures
import inspect
import json
import os
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

Result = TypeVar("Result")

FILE_VARIABLE = "LAUREL_BENCH_CPU_FILE"
_ACTIVITIES = "activity", "document"
_WORKFLOWS = "temporal_workflow_"
_PAUSE_SECONDS = 0.5
_seconds: defaultdict[str, float] = defaultdict(float)
_lock = threading.Lock()


class MeasuringPool(concurrent.futures.ThreadPoolExecutor):
    """A pool that notes the CPU time of each task."""

    def __init__(self, max_workers: int | None = None, thread_name_prefix: str = "", *rest: Any, **more: Any) -> None:
        super().__init__(max_workers, thread_name_prefix, *rest, **more)
        self._name = thread_name_prefix

    def submit(self, fn: Callable[..., Result], /, *args: Any, **kwargs: Any) -> Future[Result]:
        name = self._name_of(args)

        def measured() -> Result:
            started = time.thread_time()
            try:
                return fn(*args, **kwargs)
            finally:
                with _lock:
                    _seconds[name] += time.thread_time() - started

        return super().submit(measured)

    def _name_of(self, args: tuple[Any, ...]) -> str:
        if self._name.startswith(_WORKFLOWS):
            return "workflow tasks"
        if not self._name.startswith(_ACTIVITIES):
            return "loops beside the workflows"
        # The SDK submits its own function with the activity's among the arguments.
        return next((f"activity {each.__name__}" for each in args if inspect.ismethod(each)), "activities")


def tell(file: Path) -> None:
    """Write the sums, for ever."""
    while True:
        with _lock:
            sums = dict(_seconds)
        draft = file.with_suffix(".draft")
        draft.write_text(json.dumps(sums))
        draft.replace(file)
        time.sleep(_PAUSE_SECONDS)


def main(role: str) -> None:
    # Before anything asks for a pool.
    concurrent.futures.ThreadPoolExecutor = MeasuringPool  # type: ignore[misc]
    import uvloop  # noqa: PLC0415

    import worker  # noqa: PLC0415

    threading.Thread(target=tell, args=[Path(os.environ[FILE_VARIABLE])], daemon=True).start()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(worker.main(role))


if __name__ == "__main__":
    main(sys.argv[1])
