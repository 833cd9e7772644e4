"""Callbacks: the calls of Step Functions with which a waiting task is ended or kept alive, and who is asked.

A person is asked through a topic. This machine has one of its own (`pipeline.LOCAL_TOPIC`), without
subscribers: what an execution publishes to it stands, with its token, in the history for whoever answers.
"""

from __future__ import annotations

from customlabels.operations.dispatch import Call, Response, operation


@operation("stepfunctions", "SendTaskSuccess")
def send_task_success(call: Call) -> Response:
    """The task of this token has ended well."""
    call.parts.callbacks.succeed(call.params["taskToken"], call.params["output"])
    return {}


@operation("stepfunctions", "SendTaskFailure")
def send_task_failure(call: Call) -> Response:
    """The task of this token has failed."""
    params = call.params
    call.parts.callbacks.fail(params["taskToken"], params.get("error"), params.get("cause"))
    return {}


@operation("stepfunctions", "SendTaskHeartbeat")
def send_task_heartbeat(call: Call) -> Response:
    """The task of this token is still worked on."""
    call.parts.callbacks.heartbeat(call.params["taskToken"])
    return {}


@operation("sns", "Publish")
def publish(call: Call) -> Response:
    """A message to the topic of this machine; no request but an execution's comes here."""
    return {"MessageId": call.request_id}
