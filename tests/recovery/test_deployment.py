"""Workers in a Worker Deployment take claims on once their build is current, also those that others began."""

from contextlib import AsyncExitStack
from dataclasses import dataclass

from temporalio.api.enums.v1 import VersioningBehavior
from temporalio.api.workflowservice.v1 import (
    DescribeWorkerDeploymentVersionRequest,
    SetWorkerDeploymentCurrentVersionRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError

from domain.claims import Stage
from tests.recovery.world import World, finished
from worker import build_claims_worker, build_documents_worker

DEPLOYMENT = "laurel"
BUILD = "2.0.0-test"


@dataclass
class Deployment:
    """The deployment as its operator sees it."""

    client: Client

    async def is_known(self) -> bool:
        """Whether a worker of the build has asked for work."""
        request = DescribeWorkerDeploymentVersionRequest(namespace=self.client.namespace)
        request.deployment_version.deployment_name = DEPLOYMENT
        request.deployment_version.build_id = BUILD
        try:
            await self.client.workflow_service.describe_worker_deployment_version(request)
        except RPCError:
            return False
        return True

    async def make_current(self, build_id: str) -> None:
        """Let a build have the tasks; none means the workers that declare no version."""
        request = SetWorkerDeploymentCurrentVersionRequest(
            namespace=self.client.namespace,
            deployment_name=DEPLOYMENT,
            build_id=build_id,
            ignore_missing_task_queues=True,
        )
        await self.client.workflow_service.set_worker_deployment_current_version(request)


async def test_a_claim_moves_to_the_deployment_whose_build_is_current(world: World) -> None:
    claim = world.claim()
    await claim.brought_to(Stage.AWAITING_EVALUATION)
    deployment = Deployment(world.client)
    settings = world.settings.model_copy(update={"deployment": DEPLOYMENT, "build_id": BUILD})
    async with AsyncExitStack() as running:
        await running.enter_async_context(build_claims_worker(world.client, world.activities, settings))
        await running.enter_async_context(build_documents_worker(world.client, world.activities, settings))
        while not await deployment.is_known():
            pass
        await deployment.make_current(BUILD)
        try:
            await finished(claim)
            described = await claim.handle.describe()
        finally:
            await deployment.make_current("")
    versioning = described.raw_description.workflow_execution_info.versioning_info
    assert versioning.deployment_version.build_id == BUILD
    assert versioning.behavior == VersioningBehavior.VERSIONING_BEHAVIOR_AUTO_UPGRADE
