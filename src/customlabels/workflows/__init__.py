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
    Progress,
)
from customlabels.workflows.jobs import Jobs
from customlabels.workflows.journal import Execution, Listed, Run
from customlabels.workflows.machines import StateMachine, StateMachines
from customlabels.workflows.map_runner import MapRunner, MapRuns
from customlabels.workflows.map_runs import MapRun, Tally
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

__all__ = [
    "Abandoned",
    "Activities",
    "Activity",
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
    "Outcome",
    "Progress",
    "Run",
    "StateMachine",
    "StateMachines",
    "Submitted",
    "Tally",
    "TaskFailure",
    "TaskRequest",
    "TaskRunner",
    "redrive_status",
    "run_task",
    "sdk_error_cause",
    "sdk_error_name",
]
