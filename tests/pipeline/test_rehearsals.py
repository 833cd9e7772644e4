"""What a plan counts: the shipped definition, run to its good ending without a service."""

import pytest

from customlabels.errors import InvalidInput
from customlabels.pipeline import Waits, definition, iam_actions, local_substitutions, rehearse

DEFINITION = definition(local_substitutions())
RULES = {"BetterThanDeployed": True, "RequireApproval": True}


def test_a_day_of_training_takes_as_many_looks_as_its_turns() -> None:
    day, moment = (rehearse(DEFINITION, {}, seconds, 60) for seconds in (86_400, 1))

    looks = "rekognition:DescribeProjectVersions"
    assert day.calls[looks] - moment.calls[looks] == 86_400 / Waits().training_poll_seconds - 1
    assert day.events - moment.events == day.poll_events - moment.poll_events == 287 * 13
    assert day.seconds == 86_400 + 60


def test_the_states_that_an_input_asks_for_are_on_the_way() -> None:
    plain, ruled = rehearse(DEFINITION, {}, 1, 1), rehearse(DEFINITION, RULES, 1, 1)

    assert {"Judge", "Ask for approval"} <= set(ruled.states) - set(plain.states)
    assert (ruled.calls["lambda:Invoke"], ruled.calls["sns:Publish"]) == (1, 1)
    assert plain.states[-1] == "Done"


def test_an_input_that_the_workflow_refuses_has_no_plan() -> None:
    with pytest.raises(InvalidInput, match="would end as InvalidInput"):
        rehearse(DEFINITION, {"F1Threshold": 2}, 1, 1)


def test_a_training_beyond_its_bound_has_no_plan() -> None:
    with pytest.raises(InvalidInput, match="TrainingTimeout"):
        rehearse(DEFINITION, {"MaxTrainingSeconds": 600}, 3600, 1)


def test_the_actions_are_those_of_every_way_and_of_the_buckets() -> None:
    actions = iam_actions(DEFINITION)

    assert {"rekognition:DeleteDataset", "lambda:InvokeFunction", "sns:Publish", "s3:ListBucket"} <= set(
        actions
    )
    assert actions == sorted(set(actions))
