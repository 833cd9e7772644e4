"""Ask a running model with plain boto3: AWS_ENDPOINT_URL=http://127.0.0.1:4577 ask.py PROJECT IMAGE."""

import sys
from pathlib import Path

import boto3

project, image = sys.argv[1:]
rekognition = boto3.client(
    "rekognition", region_name="us-east-1", aws_access_key_id="local", aws_secret_access_key="local"
)
[found] = rekognition.describe_projects(ProjectNames=[project])["ProjectDescriptions"]
versions = rekognition.describe_project_versions(ProjectArn=found["ProjectArn"])["ProjectVersionDescriptions"]
running = next(version for version in versions if version["Status"] == "RUNNING")
answer = rekognition.detect_custom_labels(
    ProjectVersionArn=running["ProjectVersionArn"], Image={"Bytes": Path(image).read_bytes()}
)
for label in answer["CustomLabels"]:
    print(f"{image}: {label['Name']} {label['Confidence']:.1f} %")
