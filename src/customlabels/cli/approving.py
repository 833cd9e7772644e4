"""`approve` and `refuse`: what a person says to a run that waits for approval.

Layer: cli. The token stands in the execution's history, here and on AWS; the answer is a callback as any.
"""

from __future__ import annotations

import json

from customlabels.cli.exits import Exit, UsageError
from customlabels.cli.following import approval_token
from customlabels.cli.places import Place
from customlabels.cli.printing import print_json, say, show

REFUSED = "ApprovalRefused"  # the error by which the workflow knows a refusal from a fault


def answer_run(name: str, place: Place, comment: str, *, approve: bool, as_json: bool) -> Exit:
    """Let the run go on, or end it as REJECTED with the comment as its reason."""
    reached = place.reach()
    arn = reached.execution_arn(name)
    token = approval_token(reached.states, arn)
    if token is None:
        status = reached.states.describe_execution(executionArn=arn)["status"]
        raise UsageError(f"{name} does not wait for approval; it is {status}")
    if approve:
        said = {"Approved": True, "Comment": comment}
        reached.states.send_task_success(taskToken=token, output=json.dumps(said))
    else:
        reached.states.send_task_failure(
            taskToken=token, error=REFUSED, cause=comment or "no reason was given"
        )
    answer = "approved" if approve else "refused"
    print_json({"ExecutionArn": arn, "Answer": answer}) if as_json else show(f"{answer} {arn}")
    say(f"watch it:  customlabels follow {name}{place.flags}")
    return Exit.DONE
