"""Durable runs of any definition, and long work: what survives a stop of the server."""

from customlabels.workflows.executions import Executions
from customlabels.workflows.job_handlers import (
    Abandoned,
    Finish,
    Job,
    JobControl,
    JobHandler,
    JobPace,
    Progress,
)
from customlabels.workflows.jobs import Jobs
from customlabels.workflows.journal import Execution, Listed
from customlabels.workflows.machines import StateMachine, StateMachines
from customlabels.workflows.mocks import MOCKS, MockedTasks, check_case, read_mocks
from customlabels.workflows.runner import Engine, EnginePace
from customlabels.workflows.task_errors import sdk_error_cause, sdk_error_name
from customlabels.workflows.tasks import Outcome, TaskFailure, TaskRequest, TaskRunner, run_task

__all__ = [
    "MOCKS",
    "Abandoned",
    "Engine",
    "EnginePace",
    "Execution",
    "Executions",
    "Finish",
    "Job",
    "JobControl",
    "JobHandler",
    "JobPace",
    "Jobs",
    "Listed",
    "MockedTasks",
    "Outcome",
    "Progress",
    "StateMachine",
    "StateMachines",
    "TaskFailure",
    "TaskRequest",
    "TaskRunner",
    "check_case",
    "read_mocks",
    "run_task",
    "sdk_error_cause",
    "sdk_error_name",
]
