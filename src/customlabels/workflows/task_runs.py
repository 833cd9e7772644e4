"""What a task is asked as, and one run of it: the line between the engine and whoever can run tasks.

Layer: workflows. The runner is handed in; a task may reach it more than once, always under the same token,
and the runner answers a repeated token as it did before.
"""

import json
import logging
from dataclasses import dataclass
from typing import Any, Protocol

log = logging.getLogger(__name__)

MAX_ERROR = 256  # characters, as the service bounds them
MAX_CAUSE = 32_768


@dataclass(frozen=True)
class TaskRequest:
    """One task as a runner gets it; `token` is the same in every run of it and fits a client token."""

    resource_arn: str
    parameters: Any  # a JSON value
    token: str
    account: str
    region: str
    timeout: float | None  # seconds; the engine stops waiting by itself, this is for the runner's own calls
    execution_arn: str = ""
    attempt: int = 0  # of several runs of one task only the last one may write


@dataclass(frozen=True)
class Submitted:
    """The result of a call whose task goes on: until it is answered, or until the execution `awaits` ends."""

    output: Any  # a JSON value
    awaits: str | None = None


class TaskFailure(Exception):
    """The task failed in a way that Retry and Catch can name."""

    def __init__(self, error: str, cause: str) -> None:
        super().__init__(f"{error}: {cause}")
        self.error, self.cause = error, cause


class TaskRunner(Protocol):
    """Whoever can run tasks. Called from several threads at once."""

    def run(self, task: TaskRequest) -> Any:
        """The task's result, a JSON value, or Submitted. Raises TaskFailure."""
        ...


@dataclass(frozen=True)
class Outcome:
    """What came of a task: its output as a JSON text, or an error.

    submitted: the output is the answer to a call, and the task goes on; awaits: as in Submitted
    """

    output: str | None = None
    error: str | None = None
    cause: str | None = None
    submitted: bool = False
    awaits: str | None = None


def run_task(runner: TaskRunner, task: TaskRequest) -> Outcome:
    """One run, with every way to fail turned into an error that the States Language knows."""
    try:
        result = runner.run(task)
        submitted = result if isinstance(result, Submitted) else None
        value = submitted.output if submitted else result
        output = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except TaskFailure as failure:
        return Outcome(error=failure.error[:MAX_ERROR], cause=failure.cause[:MAX_CAUSE])
    except Exception as error:
        log.exception("a task of %s failed unexpectedly", task.resource_arn)
        return Outcome(error="States.TaskFailed", cause=f"{type(error).__name__}: {error}"[:MAX_CAUSE])
    return Outcome(output, submitted=submitted is not None, awaits=submitted.awaits if submitted else None)
