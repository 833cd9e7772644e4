"""Activities: the calls of Step Functions with which workers of the user's take tasks."""

from __future__ import annotations

import asyncio
from functools import partial
from operator import attrgetter

from customlabels.errors import ServiceError
from customlabels.operations.arns import states_arn
from customlabels.operations.dispatch import Call, Response, operation
from customlabels.operations.machines import check_key
from customlabels.operations.pages import STATES, one_page
from customlabels.operations.states_arns import own_arn
from customlabels.operations.states_tags import delete_with_tags, given_tags, tag_when_new
from customlabels.storage import Transaction
from customlabels.workflows import Activity
from customlabels.workflows.tasks import TaskRow

# AWS holds a poll for 60 seconds, which is also when clients give up by default, and lose the answer.
POLL_SECONDS = 55.0


@operation("stepfunctions", "CreateActivity")
def create_activity(call: Call) -> Response:
    """A new activity; the same name again is answered with the one that is there."""
    name, caller = call.params["name"], call.caller
    check_key(call.params)
    arn, tags = states_arn(caller, "activity", name), given_tags(call.params.get("tags", []))
    activity = call.parts.activities.create(Activity(arn, caller.account, caller.region, name))
    tag_when_new(call, arn, activity.created_at, tags)
    return {"activityArn": activity.arn, "creationDate": activity.created_at}


@operation("stepfunctions", "DescribeActivity")
def describe_activity(call: Call) -> Response:
    """An activity's name and time."""
    activity = call.parts.activities.describe(_own(call))
    return _shown(activity) | {"encryptionConfiguration": {"type": "AWS_OWNED_KEY"}}


@operation("stepfunctions", "ListActivities")
def list_activities(call: Call) -> Response:
    """The activities of this account and region, by name."""
    look = partial(call.parts.activities.list, call.caller.account, call.caller.region)
    return one_page(call, STATES, "activities", look, _shown, attrgetter("arn"))


@operation("stepfunctions", "DeleteActivity")
def delete_activity(call: Call) -> Response:
    """Delete an activity; one that is not there is no error."""
    return delete_with_tags(call, "activity", call.params["activityArn"], call.parts.activities.delete)


@operation("stepfunctions", "GetActivityTask")
async def get_activity_task(call: Call) -> Response:
    """Wait for a task of the activity; an empty answer where none came in time."""
    arn = _own(call)
    known = await asyncio.to_thread(call.answered)
    if known is not None:
        return known
    await asyncio.to_thread(call.parts.activities.describe, arn)

    def keep(tx: Transaction, task: TaskRow) -> None:
        call.keep(tx, _handed_out(task))

    task = await call.parts.activities.poll(arn, call.params.get("workerName"), keep, POLL_SECONDS)
    return {} if task is None else _handed_out(task)


def _shown(activity: Activity) -> Response:
    return {"activityArn": activity.arn, "name": activity.name, "creationDate": activity.created_at}


def _handed_out(task: TaskRow) -> Response:
    return {"taskToken": task.token, "input": task.parameters}


def _own(call: Call) -> str:
    arn = call.params["activityArn"]
    missing = ServiceError("ActivityDoesNotExist", f"Activity Does Not Exist: '{arn}'")
    return own_arn(call, arn, "activity", missing)
