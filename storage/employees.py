"""The organisation's list of its people; while none is loaded, employee ids are taken as they are given."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, delete, func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.employees import Employee, read_employees
from domain.people import is_name_of
from storage.acts import LAUREL, Actor, enter
from storage.database import create_sync_engine
from storage.tables import EmployeeRow

STREAM: Final = "employees"
"""The stream of the audit trail that tells who loaded which list."""

_AT_ONCE: Final = 5_000


def replace_list(
    connection: Connection, employees: Sequence[Employee], actor: Actor = LAUREL, sha256: bytes | None = None
) -> None:
    """Put this list in the place of the one before; without anybody on it, none is loaded any more.

    ``sha256`` is of the file that it came in.
    """
    # Two lists that are loaded at once must not become one; readers go on with the list before.
    connection.execute(text("LOCK TABLE employees IN SHARE ROW EXCLUSIVE MODE"))
    before = connection.execute(delete(EmployeeRow)).rowcount
    rows = [
        {
            "employee_id": each.employee_id,
            "given_name": each.given_name,
            "family_name": each.family_name,
            "email": each.email,
        }
        for each in employees
    ]
    for start in range(0, len(rows), _AT_ONCE):
        connection.execute(insert(EmployeeRow), rows[start : start + _AT_ONCE])
    enter(
        connection,
        STREAM,
        "employees.loaded" if rows else "employees.cleared",
        actor,
        before={"count": before},
        after={"count": len(rows)},
        evidence={"file": sha256.hex()} if sha256 else {},
    )


def load_file(database_url: str, file: Path | None, actor: Actor = LAUREL) -> int:
    """Load a list from a file, or none; answers how many are on it. Raises ``domain.employees.EmployeeListError``."""
    content = file.read_bytes() if file else b""
    employees = read_employees(content) if file else ()
    engine = create_sync_engine(database_url, pool_size=1)
    try:
        with engine.begin() as connection:
            replace_list(connection, employees, actor, hashlib.sha256(content).digest() if file else None)
    finally:
        engine.dispose()
    return len(employees)


async def count(connection: AsyncConnection) -> int:
    """How many people are on the list."""
    return int((await connection.execute(select(func.count()).select_from(EmployeeRow))).scalar_one())


_LISTED: Final = text(
    """
    SELECT EXISTS (SELECT 1 FROM employees) AS is_loaded, e.employee_id, e.given_name, e.family_name
      FROM (SELECT 1) one LEFT JOIN employees e ON e.employee_id = :employee_id
    """
)


async def may_have(
    connection: AsyncConnection, employee_id: str, given_name: str | None, family_name: str | None
) -> bool:
    """Whether somebody of this name may have this employee id, as far as the list that is loaded tells."""
    row = (await connection.execute(_LISTED, {"employee_id": employee_id})).one()
    if not row.is_loaded:
        return True
    return row.employee_id is not None and is_name_of((row.given_name, row.family_name), given_name, family_name)
