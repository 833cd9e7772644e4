"""Where the workflow's definition is found, and what fills its ${Name} places on a local machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from customlabels import asl
from customlabels.errors import CustomLabelsError

STATE_MACHINE_NAME = "customlabels-pipeline"
CLEANUP_MACHINE_NAME = "customlabels-cleanup"
JUDGE_FUNCTION = "customlabels-judge"  # under which a local server knows the judge
# Of this machine alone: nobody subscribes to it, what is published stands in the execution's history.
LOCAL_TOPIC = "arn:aws:sns:us-east-1:000000000000:customlabels"

_HERE = Path(__file__).resolve().parent
# A wheel carries the files beside this module; a checkout has them where template.yaml names them.
_FOLDERS = (_HERE, _HERE.parents[2] / "statemachine")
PLACES = tuple(folder / "workflow.yaml" for folder in _FOLDERS)
CLEANUP_PLACES = tuple(folder / "cleanup.yaml" for folder in _FOLDERS)


class WorkflowMissing(CustomLabelsError):
    """The definition is in none of its places: the installation is not whole."""


def definition_text(places: Sequence[Path] = PLACES) -> str:
    """A definition as it was written: YAML with ${Name} places. Raises WorkflowMissing."""
    for place in places:
        if place.is_file():
            return place.read_text(encoding="utf-8")
    looked = " nor ".join(str(place) for place in places)
    raise WorkflowMissing(
        f"{places[0].name} is neither {looked}; install customlabels again, or run from a checkout"
    )


def definition(substitutions: Mapping[str, str]) -> dict[str, Any]:
    """The definition with its places filled. Raises InvalidInput for a place without a substitution."""
    return asl.read_definition(definition_text(), substitutions)


def cleanup_definition() -> dict[str, Any]:
    """The definition that deletes a project with everything in it."""
    return asl.read_definition(definition_text(CLEANUP_PLACES), {"Partition": "aws"})


def local_substitutions() -> dict[str, str]:
    """What stands in for the stack's parameters on a local machine.

    There are no datasets to default to: an execution that names none ends at once as InvalidInput.
    """
    return {
        "Partition": "aws",
        "TrainingDatasetArnToCopyFrom": "",
        "TestDatasetArnToCopyFrom": "",
        "OutputBucketName": "customlabels",
        "OutputPrefix": "custom-labels",
        "ProjectName": "custom-labels-pipeline",
        "F1Threshold": "0.85",
        "MinInferenceUnits": "1",
        "MaxInferenceUnits": "0",
        "JudgeFunctionArn": JUDGE_FUNCTION,
        "RequireApproval": "false",
        "ApprovalTopicArn": LOCAL_TOPIC,
        "NotificationTopicArn": "",
    }
