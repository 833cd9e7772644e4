"""`delete`: a project with everything in it, by the state machine that does it on AWS too."""

from __future__ import annotations

import json
import secrets
import sys

from customlabels.cli.endpoint import connect
from customlabels.cli.exits import Exit, UsageError
from customlabels.cli.following import execution_result, exit_after, follow
from customlabels.cli.looking import project_arn
from customlabels.cli.printing import print_json, say, show
from customlabels.cli.running import registered
from customlabels.pipeline import CLEANUP_MACHINE_NAME, cleanup_definition
from customlabels.settings import Settings

POLL_SECONDS = 1


def delete_project(project: str, *, yes: bool, as_json: bool) -> Exit:
    """Delete it once its name was typed again; what it is not allowed to delete, the machine says."""
    endpoint = connect(Settings.from_environment())
    deleted = project_arn(endpoint, project)
    confirmation = project if yes else _typed_again(project)
    machine = registered(endpoint, CLEANUP_MACHINE_NAME, cleanup_definition())
    inputs = {"ProjectName": project, "Confirmation": confirmation, "PollSeconds": POLL_SECONDS}
    started = endpoint.states.start_execution(
        stateMachineArn=machine, name=f"{project[:60]}-{secrets.token_hex(4)}", input=json.dumps(inputs)
    )
    arn = str(started["executionArn"])
    try:
        result = execution_result(follow(endpoint, arn))
    except KeyboardInterrupt:
        say(f"\ndetached; the deletion goes on.\nsee how it ends:  customlabels execution describe {arn}")
        return Exit.INTERRUPTED
    if as_json:
        print_json(result)
    elif result["Status"] == "SUCCEEDED":
        show(f"deleted {deleted}")
    else:
        show(f"{result['Status']}  {result.get('Error', 'no error name')}: {result.get('Cause', 'no cause')}")
    return exit_after(result)


def _typed_again(project: str) -> str:
    """What a person types when asked for the name again. Raises UsageError where there is nobody."""
    if not sys.stdin.isatty():
        raise UsageError(f"{project}: there is nobody to ask; --yes deletes it without asking")
    say(f"This deletes {project} with all its versions and datasets, and stops what is in service.")
    say("Type its name again to go on: ")
    return sys.stdin.readline().strip()
