"""Durable runs of any definition, and long work: what survives a stop of the server."""

from customlabels.workflows.activities import Activities, Activity
from customlabels.workflows.callbacks import Callbacks
from customlabels.workflows.executions import Executions
from customlabels.workflows.job_handlers import (
    Abandoned,
    Finish,
    Job,
    JobControl,
    JobHandler,
    JobPace,
)
from customlabels.workflows.jobs import Jobs
from customlabels.workflows.journal import Execution, Listed, Run
from customlabels.workflows.machines import (
    OPTIMISED,
    StateMachine,
    StateMachines,
    machine_missing,
    problems_of,
)
from customlabels.workflows.map_runner import MapRunner, MapRuns
from customlabels.workflows.map_runs import MapRun
from customlabels.workflows.mocks import MOCKS, MockedTasks, check_case, read_mocks
from customlabels.workflows.redriving import redrive_status
from customlabels.workflows.runner import Engine, EnginePace
from customlabels.workflows.task_errors import sdk_error_cause, sdk_error_name
from customlabels.workflows.task_runs import (
    Outcome,
    Submitted,
    TaskFailure,
    TaskRequest,
    TaskRunner,
    run_task,
)
from customlabels.workflows.variables import variable_references
from customlabels.workflows.versions import Alias, Version, Versions

__all__ = [
    "MOCKS",
    "OPTIMISED",
    "Abandoned",
    "Activities",
    "Activity",
    "Alias",
    "Callbacks",
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
    "MapRun",
    "MapRunner",
    "MapRuns",
    "MockedTasks",
    "Outcome",
    "Run",
    "StateMachine",
    "StateMachines",
    "Submitted",
    "TaskFailure",
    "TaskRequest",
    "TaskRunner",
    "Version",
    "Versions",
    "check_case",
    "machine_missing",
    "problems_of",
    "read_mocks",
    "redrive_status",
    "run_task",
    "sdk_error_cause",
    "sdk_error_name",
    "variable_references",
]
