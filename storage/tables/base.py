"""What every table shares: names of constraints, types of columns, the check on amounts of credit."""

from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import DateTime, LargeBinary, MetaData, Numeric, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase

NAMING: Final = {
    "ix": "ix_%(column_0_N_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

UNITS_CHECK: Final = "{0} > 0 AND {0} <= 200 AND scale({0}) <= 2"


class Base(DeclarativeBase):
    """Shared naming of constraints and types of columns."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {  # noqa: RUF012  # SQLAlchemy reads this class attribute
        str: Text(),
        datetime: DateTime(timezone=True),
        bytes: LargeBinary(),
        dict[str, Any]: JSONB(),
        Decimal: Numeric(6, 2),
    }
