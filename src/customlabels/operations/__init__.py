"""Operations: what each API call does, and the long work that calls ask for.

Layer: above workflows, serving and pipeline. Knows the rules of the services; knows nothing of HTTP or
settings. Handlers are entered into one table by `@operation(service, name)`; `Dispatcher` runs them for the
HTTP port, `ServiceTasks` for executions; `job_handlers` are for `workflows.Jobs`.
"""

from pathlib import Path

from customlabels.operations import (
    buckets,
    copies,
    datasets,
    detection,
    executions,
    listings,
    machines,
    objects,
    options,
    overview,
    policies,
    projects,
    tagging,
    versions,
)
from customlabels.operations.buckets import folder_of
from customlabels.operations.copies import Copying
from customlabels.operations.dispatch import Dispatcher, table
from customlabels.operations.hosting import Hosting, note_failures, revive
from customlabels.operations.importing import Distributing, Importing
from customlabels.operations.parts import Launcher, Limits, Parts, Units
from customlabels.operations.sweeping import Sweep
from customlabels.operations.tasks import Function, FunctionContext, ServiceTasks
from customlabels.operations.trainings import Training
from customlabels.workflows import JobHandler

__all__ = [
    "Dispatcher",
    "Function",
    "FunctionContext",
    "Launcher",
    "Limits",
    "Parts",
    "ServiceTasks",
    "Units",
    "folder_of",
    "job_handlers",
    "models_folder",
    "note_failures",
    "revive",
    "table",
]

# Each of these enters its handlers into the table when it is imported.
HANDLERS = (
    buckets,
    copies,
    datasets,
    detection,
    executions,
    listings,
    machines,
    objects,
    options,
    overview,
    policies,
    projects,
    tagging,
    versions,
)


def models_folder() -> Path:
    """The folder with our own service model, in botocore's layout."""
    return Path(__file__).parent / "models"


def job_handlers(parts: Parts) -> dict[str, JobHandler]:
    """The handler of every kind of job that operations submit."""
    importing, hosting, training = Importing(parts), Hosting(parts), Training(parts)
    return {
        "gather": training,
        "train": training,
        "copy": Copying(parts),
        "import": importing,
        "change": importing,
        "distribute": Distributing(parts),
        "start": hosting,
        "stop": hosting,
        "sweep": Sweep(parts),
    }
