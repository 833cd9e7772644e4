"""Operations: what each API call does, and the long work that calls ask for.

Layer: above workflows, serving and pipeline. Knows the rules of the services; knows nothing of HTTP or
settings. Handlers are entered into one table by `@operation(service, name)`; `Dispatcher` runs them for the
HTTP port, `ServiceTasks` for executions; `job_handlers` are for `workflows.Jobs`.
"""

from importlib import import_module
from pkgutil import iter_modules

from customlabels.operations.access import OwnObjects, account_may_use
from customlabels.operations.buckets import folder_of, sweep_buckets
from customlabels.operations.comparing import resume_shadows
from customlabels.operations.copies import Copying
from customlabels.operations.dispatch import Dispatcher, table
from customlabels.operations.functions import Function, FunctionContext
from customlabels.operations.hosting import Hosting, note_failures, revive, stop_idle
from customlabels.operations.importing import Distributing, Importing
from customlabels.operations.parts import Limits, Parts
from customlabels.operations.remote import Remote
from customlabels.operations.reproductions import Reproducing
from customlabels.operations.sweeping import Sweep
from customlabels.operations.tasks import ServiceTasks
from customlabels.operations.trainings import Training
from customlabels.workflows import JobHandler

__all__ = [
    "Dispatcher",
    "Function",
    "FunctionContext",
    "Limits",
    "OwnObjects",
    "Parts",
    "Remote",
    "ServiceTasks",
    "account_may_use",
    "folder_of",
    "job_handlers",
    "note_failures",
    "resume_shadows",
    "revive",
    "stop_idle",
    "sweep_buckets",
    "table",
]

for module in iter_modules(__path__):  # each enters its handlers into the table
    import_module(f"{__name__}.{module.name}")


def job_handlers(parts: Parts) -> dict[str, JobHandler]:
    """The handler of every kind of job that operations submit."""
    importing, hosting, training = Importing(parts), Hosting(parts), Training(parts)
    return {
        "gather": training,
        "train": training,
        "reproduce": Reproducing(parts, training),
        "copy": Copying(parts),
        "import": importing,
        "change": importing,
        "distribute": Distributing(parts),
        "start": hosting,
        "stop": hosting,
        "sweep": Sweep(parts),
    }
