"""A server with access keys: who is let in, and who may use which bucket."""

import io
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError
from tests.journeys.stage import Home, home_in, lines_until

OPERATOR, TENANT = ("AKIDOPERATOR", "first secret"), ("AKIDTENANT", "second secret")
KEYS = {
    OPERATOR[0]: {"secret": OPERATOR[1], "account": "111122223333"},
    TENANT[0]: {"secret": TENANT[1], "account": "444455556666"},
}


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A home with two accounts, served to the whole network."""
    with home_in(tmp_path_factory.mktemp("keyed")) as home:
        home.path.mkdir()
        (home.path / "access-keys.json").write_text(json.dumps(KEYS))
        server = home.started("serve", "--host", "0.0.0.0")
        lines_until(server, "customlabels serves http")
        yield home
        server.terminate()
        server.communicate(timeout=30)


def client(home: Home, service: str, who: tuple[str, str]) -> Any:
    return home.client(service, key=who[0], secret=who[1])


def refusal(call: Any, **members: Any) -> str:
    with pytest.raises(ClientError) as refused:
        call(**members)
    return str(refused.value.response["Error"]["Code"])


@pytest.mark.parametrize(
    ("service", "operation", "unknown", "wrong"),
    [
        ("s3", "list_buckets", "InvalidAccessKeyId", "SignatureDoesNotMatch"),
        ("rekognition", "describe_projects", "UnrecognizedClientException", "InvalidSignatureException"),
        ("stepfunctions", "list_state_machines", "UnrecognizedClientException", "InvalidSignatureException"),
    ],
)
def test_every_service_wants_a_key_that_it_knows(
    keyed: Home, service: str, operation: str, unknown: str, wrong: str
) -> None:
    assert getattr(client(keyed, service, OPERATOR), operation)()
    assert refusal(getattr(client(keyed, service, ("AKIDNOBODY", "x")), operation)) == unknown
    assert refusal(getattr(client(keyed, service, (OPERATOR[0], "guessed")), operation)) == wrong


def test_without_a_key_nothing_is_answered(keyed: Home) -> None:
    url = keyed.server.url
    for request in (
        urllib.request.Request(url),
        urllib.request.Request(f"{url}/some-bucket/key"),
        urllib.request.Request(f"{url}/some-bucket/key", headers={"x-amz-date": "20260101T000000Z"}),
        urllib.request.Request(url, b"{}", {"X-Amz-Target": "RekognitionService.DescribeProjects"}),
    ):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request)
        assert refused.value.code in (400, 403, 404)
        refused.value.close()


def test_a_bucket_is_its_makers_alone(keyed: Home) -> None:
    tenant, operator = client(keyed, "s3", TENANT), client(keyed, "s3", OPERATOR)
    tenant.create_bucket(Bucket="tenants-own")
    place = {"Bucket": "tenants-own", "Key": "a"}
    tenant.put_object(**place, Body=b"mine")
    operator.create_bucket(Bucket="operators-own")

    assert tenant.get_object(**place)["Body"].read() == b"mine"
    assert [each["Name"] for each in tenant.list_buckets()["Buckets"]] == ["tenants-own"]
    assert "tenants-own" not in [each["Name"] for each in operator.list_buckets()["Buckets"]]
    assert refusal(operator.get_object, **place) == "AccessDenied"
    assert refusal(operator.create_bucket, Bucket="tenants-own") == "BucketAlreadyExists"
    refused: list[tuple[str, dict[str, Any]]] = [
        ("put_object", {"Key": "a", "Body": b"x"}),
        ("list_objects_v2", {}),
        ("list_objects", {}),
        ("delete_object", {"Key": "a"}),
        ("delete_objects", {"Delete": {"Objects": [{"Key": "a"}]}}),
        ("create_multipart_upload", {"Key": "a"}),
        ("list_multipart_uploads", {}),
        ("delete_bucket", {}),
    ]
    for operation, members in refused:
        assert refusal(getattr(tenant, operation), Bucket="operators-own", **members) == "AccessDenied"
    stolen = {"Bucket": "operators-own", "Key": "stolen", "CopySource": place}
    assert refusal(operator.copy_object, **stolen) == "AccessDenied"


def test_registered_folders_are_the_operators(keyed: Home, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"pixels")
    assert keyed.typed("bucket", "add", "registered", tmp_path).code == 0
    tenant, own = client(keyed, "s3", TENANT), client(keyed, "customlabels", TENANT)

    assert client(keyed, "s3", OPERATOR).head_object(Bucket="registered", Key="a.png")
    assert refusal(tenant.get_object, Bucket="registered", Key="a.png") == "AccessDenied"
    assert refusal(own.put_bucket, Name="everything", Folder="/") == "AccessDeniedException"
    assert refusal(own.delete_bucket, Name="registered") == "ResourceNotFoundException"
    backbone = {"ProjectName": "p", "VersionName": "v", "BackboneFolder": str(tmp_path)}
    assert refusal(own.put_training_options, **backbone) == "AccessDeniedException"
    assert client(keyed, "customlabels", OPERATOR).put_training_options(**backbone)
    assert "registered" not in [each["Name"] for each in own.list_buckets()["Buckets"]]


def test_no_other_service_is_a_way_round(keyed: Home) -> None:
    client(keyed, "s3", OPERATOR).create_bucket(Bucket="operators-data")
    client(keyed, "s3", OPERATOR).put_object(Bucket="operators-data", Key="m.manifest", Body=b"{}")
    client(keyed, "s3", TENANT).create_bucket(Bucket="tenants-data")
    rekognition = client(keyed, "rekognition", TENANT)
    project = rekognition.create_project(ProjectName="p")["ProjectArn"]
    place = {"S3Object": {"Bucket": "operators-data", "Name": "m.manifest"}}

    dataset = {"ProjectArn": project, "DatasetType": "TRAIN"}
    source = {"DatasetSource": {"GroundTruthManifest": place}}
    assert refusal(rekognition.create_dataset, **dataset, **source) == "InvalidS3ObjectException"
    data = {"Assets": [{"GroundTruthManifest": place}]}
    for output, trained in [
        ("operators-data", dict[str, Any]()),
        ("tenants-data", {"TrainingData": data, "TestingData": {"AutoCreate": True}}),
    ]:
        version = {"ProjectArn": project, "VersionName": "v", "OutputConfig": {"S3Bucket": output}}
        with pytest.raises(ClientError, match="may not use bucket operators-data"):
            rekognition.create_project_version(**version, **trained)
    assert client(keyed, "rekognition", OPERATOR).describe_projects()["ProjectDescriptions"] == []


def test_large_objects_and_signed_addresses_work_with_keys_too(keyed: Home) -> None:
    s3, body = client(keyed, "s3", OPERATOR), bytes(range(256)) * 40_000
    s3.create_bucket(Bucket="large-things")
    quick = TransferConfig(multipart_threshold=5 * 2**20, multipart_chunksize=5 * 2**20)

    s3.upload_fileobj(io.BytesIO(body), "large-things", "a b", Config=quick)
    address = s3.generate_presigned_url("get_object", Params={"Bucket": "large-things", "Key": "a b"})

    with urllib.request.urlopen(address) as answer:
        assert answer.read() == body
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(address.replace("a%20b", "other"))


@pytest.mark.parametrize("path", ["/", "/my-bucket", "/my-bucket?X-Amz-Algorithm=AWS4-HMAC-SHA256"])
def test_a_foreign_name_is_answered_by_no_service(served: Home, path: str) -> None:
    headers = {"Host": "evil.example"}
    kinds: list[dict[str, str]] = [{}, {"x-amz-date": "20260101T000000Z"}]
    for kind in kinds:
        request = urllib.request.Request(served.server.url + path, headers=headers | kind)
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request)
        assert refused.value.code in (400, 403)
        refused.value.close()
    target = {"X-Amz-Target": "RekognitionService.DescribeProjects"}
    with pytest.raises(urllib.error.HTTPError, match="400"):
        urllib.request.urlopen(urllib.request.Request(served.server.url, b"{}", headers | target))
