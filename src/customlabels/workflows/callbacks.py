"""Callbacks: whoever holds the token of a task that waits tells how it ended, or that it goes on.

Layer: workflows. Refusals carry the codes of the Step Functions model.

What a power cut leaves: an answer that was accepted is in the task's row and ends the task at the next
server; one that was not accepted may be sent again.
"""

import json
import re

from customlabels.asl import json_problem
from customlabels.errors import ServiceError
from customlabels.storage import Records, Transaction
from customlabels.workflows import journal, tasks
from customlabels.workflows.dialects import Clock
from customlabels.workflows.tasks import TaskRow, takes_answers

TOKEN = re.compile(r"[0-9a-f]{64}")


class Callbacks:
    """The answers to tasks of a database. Any thread may call."""

    def __init__(self, records: Records, clock: Clock) -> None:
        self._records = records
        self._clock = clock

    def succeed(self, token: str, output: str) -> None:
        """End the task with `output` (JSON).

        Raises ServiceError InvalidToken, TaskDoesNotExist, TaskTimedOut or InvalidOutput.
        """
        _require_form(token)
        problem = json_problem(output)
        if problem is not None:
            raise ServiceError("InvalidOutput", f"Invalid Output: '{problem}'")
        self._answer(token, {"output": output})

    def fail(self, token: str, error: str | None, cause: str | None) -> None:
        """End the task with an error; both parts may be missing.

        Raises ServiceError InvalidToken, TaskDoesNotExist or TaskTimedOut.
        """
        self._answer(token, {"error": error, "cause": cause})

    def heartbeat(self, token: str) -> None:
        """Begin the task's HeartbeatSeconds anew; raises as `fail`."""
        with self._records.write() as tx:
            if not tasks.heard_of(tx, _waiting(tx, token), self._clock()):
                raise _over()

    def _answer(self, token: str, answer: dict[str, str | None]) -> None:
        with self._records.write() as tx:
            if not tasks.answer(tx, _waiting(tx, token), json.dumps(answer)):
                raise _over()
            tx.notify(journal.TOPIC)


def _require_form(token: str) -> None:
    if not TOKEN.fullmatch(token):
        raise ServiceError("InvalidToken", "Invalid Token: 'Invalid token'")


def _waiting(tx: Transaction, token: str) -> TaskRow:
    _require_form(token)
    row = tasks.by_token(tx, [token]).get(token)
    if row is None or not takes_answers(row.resource):
        raise ServiceError("TaskDoesNotExist", "Task Does Not Exist: 'no task has this token'")
    return row


def _over() -> ServiceError:
    return ServiceError("TaskTimedOut", "Task Timed Out: 'Provided task does not exist anymore'")
