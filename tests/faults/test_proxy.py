"""A wire lets everything through until it is told otherwise, and afterwards again."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import Engine, make_url, text
from sqlalchemy.exc import OperationalError

from domain.identities import new_id
from storage.database import create_sync_engine
from tests.faults.proxy import Wire

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class EchoWire(Wire):
    """A wire to a server that says everything once more."""

    async def connection(self) -> Connection:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def begin(self) -> None:
        self.port = await self.start()


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(100):
        writer.write(data)
    writer.close()


@pytest.fixture
async def wire() -> AsyncIterator[EchoWire]:
    async with await asyncio.start_server(_echo, "127.0.0.1", 0) as server:
        wire = EchoWire("test", server.sockets[0].getsockname)
        await wire.begin()
        yield wire
        await wire.stop()


async def said(connection: Connection, words: bytes) -> bytes:
    reader, writer = connection
    writer.write(words)
    return await reader.read(100)


async def is_ended(connection: Connection) -> bool:
    try:
        return await connection[0].read(100) == b""
    except ConnectionResetError:
        return True
    finally:
        await end(connection)


async def end(connection: Connection) -> None:
    connection[1].transport.abort()
    await asyncio.sleep(0)


async def test_a_wire_carries_both_ways(wire: EchoWire) -> None:
    connection = await wire.connection()
    assert await said(connection, b"hello") == b"hello"
    await end(connection)


async def test_a_wire_that_is_cut_ends_what_was_open_and_takes_nothing_until_it_is_healed(wire: EchoWire) -> None:
    connection = await wire.connection()
    assert await said(connection, b"before") == b"before"
    wire.cut()
    for severed in (connection, await wire.connection()):
        assert await is_ended(severed)
    wire.heal()
    healed = await wire.connection()
    assert await said(healed, b"after") == b"after"
    await end(healed)


async def test_what_fell_into_a_black_hole_comes_when_it_closes(wire: EchoWire) -> None:
    connection = await wire.connection()
    wire.swallow()
    answer = asyncio.create_task(said(connection, b"hello"))
    done, _ = await asyncio.wait([answer], timeout=0.1)
    assert not done
    wire.heal()
    assert await answer == b"hello"
    await end(connection)


async def test_a_slow_wire_delays_each_way(wire: EchoWire) -> None:
    clock = asyncio.get_running_loop().time
    connection = await wire.connection()
    wire.delay, started = 0.1, clock()
    assert await said(connection, b"hello") == b"hello"
    assert clock() - started >= 0.2
    await end(connection)


@pytest.mark.parametrize("isolation", ["READ COMMITTED", "AUTOCOMMIT"])
async def test_what_was_committed_is_in_the_record_when_the_answer_to_it_is_lost(
    database_url: str, engine: Engine, isolation: str
) -> None:
    address = make_url(database_url)
    wire = Wire("test", lambda: (str(address.host), int(address.port or 5432)))
    through = address.set(host="127.0.0.1", port=await wire.start())
    learner = new_id("lrn")
    probe = create_sync_engine(through.render_as_string(hide_password=False), 1)

    def add() -> None:
        with probe.execution_options(isolation_level=isolation).begin() as connection:
            connection.execute(text("SELECT 1"))
            wire.lose_commits = 1
            connection.execute(text("INSERT INTO learners (id) VALUES (:id)"), {"id": learner})

    with pytest.raises(OperationalError):
        await asyncio.to_thread(add)
    probe.dispose()
    assert wire.lost == 1
    await wire.stop()
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM learners WHERE id = :id"), {"id": learner}).scalar() == 1
