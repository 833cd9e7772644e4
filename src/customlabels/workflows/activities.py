"""Activities: names under which workers of the user's ask for tasks.

Layer: workflows. A task of an activity is a row that is offered until a worker takes it, and waits for an
answer from then on. Whoever asks while there is none waits for a bell, on the server's loop.

What a power cut leaves: a task is handed out in the commit that tells of it in the history. Where the answer
to the worker was lost, the task ends by its own timeout or heartbeat, as on AWS.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlalchemy import delete, select

from customlabels.asl import Rules, TaskStarted
from customlabels.errors import ServiceError
from customlabels.storage import Reading, Records, Transaction
from customlabels.storage.schema import activities
from customlabels.workflows import journal, tasks
from customlabels.workflows.advancing import Advancing, machine_of
from customlabels.workflows.bells import Bells
from customlabels.workflows.dialects import Clock, insert_once
from customlabels.workflows.machines import check_name
from customlabels.workflows.tasks import TaskRow


@dataclass(frozen=True)
class Activity:
    """A name that workers ask by; created_at in epoch seconds."""

    arn: str
    account: str
    region: str
    name: str
    created_at: float = 0.0


class Activities:
    """The activities of a database. Any thread may call; `poll` belongs to the server's loop."""

    def __init__(self, records: Records, rules: Rules, clock: Clock) -> None:
        self._records = records
        self._rules = rules
        self._clock = clock
        self._bells = Bells(records, journal.OFFERS)

    def create(self, activity: Activity) -> Activity:
        """Write a new activity; one of the same name is answered as it is. ServiceError InvalidName."""
        check_name(activity.name)
        with self._records.write() as tx:
            insert_once(tx, activities, vars(activity) | {"created_at": self._clock()})
            return _activity(tx, activity.arn)

    def describe(self, arn: str) -> Activity:
        """The activity `arn`; ServiceError ActivityDoesNotExist."""
        with self._records.read() as reading:
            return _activity(reading, arn)

    def list(self, account: str, region: str, limit: int, after: str | None) -> list[Activity]:
        """Up to `limit` activities by their ARN, from `after` on."""
        chosen = select(activities).where(activities.c.account == account, activities.c.region == region)
        if after is not None:
            chosen = chosen.where(activities.c.arn > after)
        with self._records.read() as reading:
            rows = reading.execute(chosen.order_by(activities.c.arn).limit(limit))
            return [Activity(**row._asdict()) for row in rows]

    def delete(self, tx: Transaction, arn: str) -> None:
        """Remove the activity; none there is no error. Tasks that it has go on to their end."""
        tx.execute(delete(activities).where(activities.c.arn == arn))

    def take(
        self, arn: str, worker: str | None, keep: Callable[[Transaction, TaskRow], None]
    ) -> TaskRow | None:
        """Hand the oldest task to a worker; None where there is none now.

        keep: writes the caller's own answer in the same transaction.
        """
        while True:
            with self._records.read() as reading:
                task = tasks.offered(reading, arn)
                run = None if task is None else journal.running(reading, [task.execution_arn])
            if task is None or run is None:
                return None
            now = self._clock()
            advancing = Advancing(run[task.execution_arn], now, self._rules)
            begun = task.begun("WAITING", now, owner=None, lease_until=None)
            advancing.change_task(task, TaskStarted(task.event_id, worker), begun)
            with self._records.write() as tx:
                if journal.apply(tx, [advancing.result()], now):
                    keep(tx, task)
                    return task
            # Another worker was quicker, or the execution has gone on: look again.

    async def poll(
        self, arn: str, worker: str | None, keep: Callable[[Transaction, TaskRow], None], seconds: float
    ) -> TaskRow | None:
        """As `take`, waiting up to `seconds` for a task; costs no thread while it waits."""
        return await self._bells.until(lambda: self.take(arn, worker, keep), seconds)


def rules_for(records: Records, rules: Rules, definition: str) -> Rules:
    """`rules` with those activities of a definition that do not exist now."""
    named = machine_of(definition).activities
    if not named:
        return rules
    with records.read() as reading:
        found = reading.execute(select(activities.c.arn).where(activities.c.arn.in_(named))).scalars()
        return replace(rules, missing=named.difference(found))


def _activity(reading: Reading, arn: str) -> Activity:
    row = reading.execute(select(activities).where(activities.c.arn == arn)).first()
    if row is None:
        raise ServiceError("ActivityDoesNotExist", f"Activity Does Not Exist: '{arn}'")
    return Activity(**row._asdict())
