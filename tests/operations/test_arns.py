"""ARNs have AWS's shapes and never come twice."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.operations.world import CALLER, SERVICES

from customlabels.operations.arns import (
    Arn,
    Stamps,
    artefact_name,
    dataset_arn,
    execution_arn,
    project_arn,
    states_arn,
    version_arn,
)

PROJECT = project_arn(CALLER, "animals", 1690476084738)
names = st.text("abcXYZ019_.-", min_size=1, max_size=255)


def test_arns_have_the_shapes_that_clients_cut() -> None:
    base = "arn:aws:rekognition:eu-west-1:111122223333:project/animals"

    assert f"{base}/1690476084738" == PROJECT
    assert dataset_arn(PROJECT, "TRAIN", 5) == f"{base}/dataset/train/5"
    assert version_arn(PROJECT, "v1", 6) == f"{base}/version/v1/6"
    assert states_arn(CALLER, "stateMachine", "m") == "arn:aws:states:eu-west-1:111122223333:stateMachine:m"
    assert execution_arn(states_arn(CALLER, "stateMachine", "m"), "r").endswith(":execution:m:r")


@given(names, names)
def test_arns_fit_the_models_patterns_and_give_their_names_back(project: str, version: str) -> None:
    arn = version_arn(project_arn(CALLER, project, 1), version, 2)
    pattern = SERVICES["rekognition"].model.shape_for("ProjectVersionArn").metadata["pattern"]

    assert re.fullmatch(pattern, arn)
    assert (Arn.parse(arn).project, Arn.parse(arn).version) == (project, version)
    assert len(artefact_name(arn)) == 32


@given(st.lists(st.floats(0, 2e9), min_size=1))
def test_stamps_only_grow_even_where_the_clock_goes_back(moments: list[float]) -> None:
    stamps = Stamps()

    given_out = [stamps.next(moment) for moment in moments]

    assert given_out == sorted(set(given_out))


@pytest.mark.parametrize("text", ["", "arn:aws:s3", "arn:aws:s3:::", "nra:aws:s3:::bucket"])
def test_what_is_no_arn_is_said_to_be_none(text: str) -> None:
    with pytest.raises(ValueError, match="is not an ARN"):
        Arn.parse(text)
