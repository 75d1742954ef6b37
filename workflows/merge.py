"""Merging two learners, as one short workflow: it lasts until the record is changed, however long that takes."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.contract import MergeRef, PeopleActivities
    from workflows import contract
    from workflows.contract import MergeInput


@workflow.defn(name=contract.MERGE_WORKFLOW)
class MergeWorkflow:
    """One merge. Claims that it ends are withdrawn by their own workflows, which the relay tells."""

    @workflow.run
    async def run(self, merge: MergeInput) -> None:
        """Bring the merge about."""
        await workflow.execute_activity_method(
            PeopleActivities.merge_learners, MergeRef(merge.merge_id), **contract.MERGE
        )
