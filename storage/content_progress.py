"""How much of each piece of content a learner completed. Progress only grows, whatever comes in which order."""

from collections.abc import Mapping

from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.postgresql import insert

from domain.intervals import Watched
from storage.tables import ContentProgressRow


def watched_by(connection: Connection, learner_id: str, ce_activity_id: str) -> Mapping[str, Watched]:
    """What a learner completed of a CE activity, by the content's code."""
    rows = connection.execute(
        select(ContentProgressRow.content, ContentProgressRow.intervals, ContentProgressRow.seconds).where(
            ContentProgressRow.learner_id == learner_id, ContentProgressRow.ce_activity_id == ce_activity_id
        )
    )
    return {row.content: _watched(row.intervals, row.seconds) for row in rows}


def save(connection: Connection, learner_id: str, ce_activity_id: str, content: str, watched: Watched) -> None:
    """Keep progress that was merged with what is known. The caller has locked the learner since it read that."""
    values = {
        "intervals": [list(interval) for interval in watched.intervals],
        "seconds": watched.seconds,
        "updated_at": func.clock_timestamp(),
    }
    key = {"learner_id": learner_id, "ce_activity_id": ce_activity_id, "content": content}
    statement = insert(ContentProgressRow).values(**key, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=list(key), set_=values))


def merge_learners(connection: Connection, learner_id: str, duplicate_id: str) -> None:
    """Let a learner have the progress of a duplicate, too; what the duplicate's row says stays.

    The caller has locked both learners.
    """
    rows = connection.execute(
        select(
            ContentProgressRow.ce_activity_id,
            ContentProgressRow.content,
            ContentProgressRow.intervals,
            ContentProgressRow.seconds,
        ).where(ContentProgressRow.learner_id == duplicate_id)
    )
    for row in rows.all():
        known = watched_by(connection, learner_id, row.ce_activity_id).get(row.content, Watched())
        theirs = _watched(row.intervals, row.seconds)
        merged = known.with_report(theirs.intervals, theirs.seconds)
        save(connection, learner_id, row.ce_activity_id, row.content, merged)


def _watched(intervals: list[list[int]], seconds: int) -> Watched:
    return Watched(tuple((start, end) for start, end in intervals), seconds)
