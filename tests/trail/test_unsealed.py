"""How long the trail has been unsealed, as monitoring and the office's page of parts are told."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import overview
from storage.database import create_api_engine
from storage.measures import measures
from tests.trail.conftest import Trail

HOUR = 3600


async def told(trail: Trail) -> tuple[float, float | None]:
    """What monitoring is told, and what the office is."""
    engine = create_api_engine(trail.engine.url.render_as_string(hide_password=False), 1)
    async with engine.connect() as connection:
        found = await _told(connection)
    await engine.dispose()
    return found


async def _told(connection: AsyncConnection) -> tuple[float, float | None]:
    return (await measures(connection)).checkpoint_seconds, (await overview.lags(connection)).unsealed_seconds


def passes(trail: Trail) -> None:
    """Let an hour pass for all that is in the trail."""
    with trail.tampering(trail.owner) as connection:
        connection.execute(text("UPDATE audit_events SET recorded_at = recorded_at - interval '1 hour'"))
        connection.execute(
            text(
                "UPDATE audit_checkpoints SET stored_at = stored_at - interval '1 hour', "
                "signed_at = signed_at - interval '1 hour'"
            )
        )


async def test_a_quiet_hour_after_the_last_signature_makes_nothing_late(trail: Trail) -> None:
    trail.write("claim:1")
    trail.seal()
    passes(trail)
    assert await told(trail) == (0, None)


async def test_what_was_never_signed_is_late_since_it_was_written(trail: Trail) -> None:
    trail.write("claim:1")
    passes(trail)
    monitoring, office = await told(trail)
    assert monitoring > HOUR
    assert office is not None
    assert office > HOUR


async def test_an_entry_after_the_last_signature_is_late_by_its_own_age(trail: Trail) -> None:
    trail.seal()
    passes(trail)
    trail.write("claim:1")
    monitoring, office = await told(trail)
    assert 0 < monitoring < HOUR
    assert office is not None
    assert 0 < office < HOUR
