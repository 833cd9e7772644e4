"""The product's workflow: its definition, its input, its output and the names under which it leaves results.

Layer: pipeline. The workflow itself is `statemachine/workflow.yaml`, data that AWS and the local engine run
alike; this room knows where the file is and what goes in and comes out, and composes the report of a run.
Lambda finds the judge in `customlabels.pipeline.judge`.
"""

from typing import TYPE_CHECKING

from customlabels.doors import later

if TYPE_CHECKING:
    from customlabels.pipeline.judge import judged
    from customlabels.pipeline.judge_objects import S3
    from customlabels.pipeline.rehearsals import iam_actions, rehearse
    from customlabels.pipeline.report_places import Place, place_of
    from customlabels.pipeline.reports import report_text
    from customlabels.pipeline.runs import RunInput, RunResult, Waits, current_key, poll_seconds
    from customlabels.pipeline.workflow import (
        CLEANUP_MACHINE_NAME,
        JUDGE_FUNCTION,
        LOCAL_TOPIC,
        STATE_MACHINE_NAME,
        cleanup_definition,
        definition,
        local_substitutions,
    )
else:
    __getattr__ = later(__name__)

__all__ = [
    "CLEANUP_MACHINE_NAME",
    "JUDGE_FUNCTION",
    "LOCAL_TOPIC",
    "S3",
    "STATE_MACHINE_NAME",
    "Place",
    "RunInput",
    "RunResult",
    "Waits",
    "cleanup_definition",
    "current_key",
    "definition",
    "iam_actions",
    "judged",
    "local_substitutions",
    "place_of",
    "poll_seconds",
    "rehearse",
    "report_text",
]
