"""The judge as executions reach it: through lambda:invoke, on the documents of a real training."""

import json
from typing import Any

import pytest
from tests.journeys.conftest import Deployed
from tests.journeys.stage import until

ROLE = "arn:aws:iam::123456789012:role/r"
JUDGE = {
    "StartAt": "Judge",
    "States": {
        "Judge": {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "Parameters": {"FunctionName": "customlabels-judge", "Payload.$": "$"},
            "OutputPath": "$.Payload",
            "End": True,
        }
    },
}


@pytest.mark.parametrize(
    ("rules", "decision"),
    [
        ({"F1Threshold": 0.5, "MaxModelMegabytes": 100, "ForbidLeakage": True}, "DEPLOYED"),
        ({"F1Threshold": 0.5, "MinTestImagesPerLabel": 7}, "REJECTED"),
        ({"F1Threshold": 0.5, "F1LowerBound": 0.9}, "UNDECIDED"),
    ],
)
def test_an_execution_has_a_trained_version_judged(
    deployed: Deployed, rules: dict[str, Any], decision: str
) -> None:
    """Six test images a label: however good the model is, its lower bound is not above 0.9."""
    home, name = deployed.home, f"judge-{decision}"
    states, rekognition = home.client("stepfunctions"), home.client("rekognition")
    [project] = rekognition.describe_projects(ProjectNames=["colours"])["ProjectDescriptions"]
    [version] = rekognition.describe_project_versions(
        ProjectArn=project["ProjectArn"], VersionNames=[deployed.version.split("/")[3]]
    )["ProjectVersionDescriptions"]
    place = version["OutputConfig"]
    parts = ("ProjectVersionArn", "EvaluationResult", "OutputConfig")
    event = {
        "Config": {
            "OutputBucket": place["S3Bucket"],
            "OutputPrefix": "judged",
            "ProjectName": "colours",
            "VersionName": deployed.version.split("/")[3],
            **rules,
        },
        "Version": {part: version[part] for part in parts},
        "Current": {},
        "ExecutionArn": f"arn:aws:states:us-east-1:123456789012:execution:m:{decision}",
        "Judgement": {"Bucket": place["S3Bucket"], "Key": f"judged/{decision}.json"},
    }

    machine = states.create_state_machine(name=name, definition=json.dumps(JUDGE), roleArn=ROLE)
    arn = states.start_execution(stateMachineArn=machine["stateMachineArn"], input=json.dumps(event))[
        "executionArn"
    ]
    until(lambda: states.describe_execution(executionArn=arn)["status"] != "RUNNING")
    ended = states.describe_execution(executionArn=arn)

    assert ended["status"] == "SUCCEEDED", ended
    said = json.loads(ended["output"])
    assert said["Decision"] == decision, said
    assert said["Judgement"] == f"s3://{place['S3Bucket']}/judged/{decision}.json"
    s3 = home.client("s3")
    body = s3.get_object(Bucket=place["S3Bucket"], Key=f"judged/{decision}.json")["Body"].read()
    assert {rule["Rule"] for rule in json.loads(body)["Rules"]} == set(rules)
    for client in (states, rekognition, s3):
        client.close()
