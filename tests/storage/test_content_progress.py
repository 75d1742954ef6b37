"""Progress of a learner who turns out to be two is the progress of both."""

from sqlalchemy import Engine, insert

from domain.identities import new_id
from domain.intervals import Interval, Watched
from storage import content_progress
from storage.catalog import publish
from storage.definitions import Definition, DefinitionStatus
from storage.tables import LearnerRow
from tests.platforms import content_policy


def test_what_both_watched_counts_once_and_what_the_duplicate_watched_counts_too(engine: Engine) -> None:
    kept, duplicate = new_id("lrn"), new_id("lrn")
    slug = new_id("course").replace("_", "-")
    with engine.begin() as connection:
        ce_activity = publish(connection, Definition(slug, DefinitionStatus.PUBLISHED, content_policy()), None)
        connection.execute(insert(LearnerRow), [{"id": kept}, {"id": duplicate}])

        def watch(learner_id: str, content: str, *intervals: Interval, seconds: int = 0) -> None:
            watched = Watched().with_report(intervals, seconds)
            content_progress.save(connection, learner_id, ce_activity.ce_activity_id, content, watched)

        watch(kept, "video", (0, 60))
        watch(duplicate, "video", (30, 90), (120, 130))
        watch(duplicate, "pages", seconds=20)
        for _ in range(2):
            content_progress.merge_learners(connection, kept, duplicate)
        merged = content_progress.watched_by(connection, kept, ce_activity.ce_activity_id)
        theirs = content_progress.watched_by(connection, duplicate, ce_activity.ce_activity_id)
    assert merged == {"video": Watched(((0, 90), (120, 130)), 100), "pages": Watched((), 20)}
    assert theirs == {"video": Watched(((30, 90), (120, 130)), 70), "pages": Watched((), 20)}
