"""The daily round: what lives shortly is removed when its time is over."""

import asyncio
from datetime import timedelta

import structlog
from sqlalchemy import Engine

from storage.housekeeping import tidy_up

logger = structlog.get_logger(__name__)


class Housekeeper:
    """Any number of them may run; one at a time removes something."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def run(self, pause: timedelta = timedelta(days=1)) -> None:
        """Tidy up at once, and then every day, for ever."""
        while True:
            try:
                removed = await asyncio.to_thread(tidy_up, self._engine)
                logger.info("tidied up", **removed)
            except Exception as error:  # noqa: BLE001  # the database may be away; the next round tries again
                logger.warning("housekeeping pauses", error=type(error).__name__)
            await asyncio.sleep(pause.total_seconds())
