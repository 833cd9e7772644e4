"""S3's requests as botocore writes them are read with the same members; its parser reads our answers."""

import string
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from botocore.awsrequest import HeadersDict
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from hypothesis import given
from hypothesis import strategies as st
from tests.wire.conftest import OWN_MODELS

from customlabels.errors import ServiceError
from customlabels.wire import Services, load_services
from customlabels.wire.rest import Address, Routes, answer_of, body_member, members_of, query_of

SERVICES: Services = load_services(OWN_MODELS)
S3 = SERVICES.shape_only("s3")
ROUTES = Routes(S3.model)
PLACE = {"Bucket": "my-bucket", "Key": "a b/c+d%é//x/"}
UPLOAD = {**PLACE, "UploadId": "u+1"}
SOURCE = {"CopySource": "other/k%20y", "CopySourceIfMatch": '"e"'}
REQUESTS: list[tuple[str, dict[str, Any]]] = [
    ("ListBuckets", {}),
    ("ListBuckets", {"Prefix": "a&b", "MaxBuckets": 5}),
    ("CreateBucket", {"Bucket": "b-1", "CreateBucketConfiguration": {"LocationConstraint": "eu-west-1"}}),
    ("HeadBucket", {"Bucket": "b-1", "ExpectedBucketOwner": "123456789012"}),
    ("DeleteBucket", {"Bucket": "b-1"}),
    ("GetBucketLocation", {"Bucket": "b-1"}),
    ("GetBucketVersioning", {"Bucket": "b-1"}),
    ("ListObjects", {"Bucket": "b-1", "Marker": "ä/", "MaxKeys": 3}),
    ("ListObjectsV2", {"Bucket": "b-1", "Prefix": "a+b c", "Delimiter": "/", "FetchOwner": True}),
    ("PutObject", {**PLACE, "Metadata": {"who": "a  b"}, "ContentType": "image/png", "IfNoneMatch": "*"}),
    ("GetObject", {**PLACE, "Range": "bytes=1-2", "ResponseContentType": "text/x", "PartNumber": 1}),
    ("HeadObject", {**PLACE, "IfModifiedSince": 1790000000.0}),
    ("DeleteObject", PLACE),
    (
        "DeleteObjects",
        {"Bucket": "b-1", "Delete": {"Objects": [{"Key": "<a>&"}, {"Key": "é"}], "Quiet": True}},
    ),
    ("CopyObject", {**PLACE, **SOURCE, "MetadataDirective": "REPLACE"}),
    ("CreateMultipartUpload", {**PLACE, "ChecksumAlgorithm": "CRC32C"}),
    ("UploadPart", {**UPLOAD, "PartNumber": 3}),
    ("UploadPartCopy", {**UPLOAD, **SOURCE, "PartNumber": 3, "CopySourceRange": "bytes=0-9"}),
    ("CompleteMultipartUpload", {**UPLOAD, "MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": '"e"'}]}}),
    ("AbortMultipartUpload", UPLOAD),
    ("ListParts", {**UPLOAD, "MaxParts": 2}),
    ("ListMultipartUploads", {"Bucket": "b-1", "Prefix": "p"}),
]


def written(name: str, params: dict[str, Any]) -> tuple[str, str, str, dict[str, str], bytes]:
    """Method, path, query, headers and body, as botocore's serialiser makes them."""
    request = create_serializer("rest-xml").serialize_to_request(params, S3.model.operation_model(name))
    path, _, fixed = request["url_path"].partition("?")
    query = "&".join(part for part in (fixed, urlencode(request["query_string"], quote_via=quote)) if part)
    headers = {key.lower(): value for key, value in request["headers"].items()}
    body = request["body"] or b""
    return request["method"], path, query, headers, body if isinstance(body, bytes) else body.encode()


@pytest.mark.parametrize(
    ("name", "params"), REQUESTS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_request_of_botocore_is_read_as_it_was_meant(name: str, params: dict[str, Any]) -> None:
    method, path, query, headers, body = written(name, params)

    address, asked = Address.parse(path.encode()), query_of(query.encode())
    operation = ROUTES.match(method, address, asked.keys() | headers.keys())
    members = members_of(operation, address, asked, headers) | body_member(operation, body)

    assert operation.name == name
    assert members == params


def test_a_word_of_a_header_is_known_however_it_is_written() -> None:
    operation = S3.model.operation_model("GetObject")

    for text, read in (("enabled", "ENABLED"), ("ENABLED", "ENABLED"), ("on", "on")):
        members = members_of(operation, Address("b-1", "k"), {}, {"x-amz-checksum-mode": text})
        assert members["ChecksumMode"] == read


ANSWERS: list[tuple[str, dict[str, Any]]] = [
    ("ListBuckets", {"Buckets": [{"Name": "b-1"}], "Owner": {"ID": "1"}}),
    ("GetBucketLocation", {"LocationConstraint": "eu-west-1"}),
    ("ListObjectsV2", {"Contents": [{"Key": "<&>\"' é", "Size": 2**40}, {"Key": "b"}], "IsTruncated": True}),
    ("ListObjects", {"CommonPrefixes": [{"Prefix": "a/"}, {"Prefix": "b/"}], "Marker": ""}),
    ("PutObject", {"ETag": '"e"', "ChecksumCRC32": "AAAAAA=="}),
    ("HeadObject", {"ContentLength": 5, "Metadata": {"who": "me"}, "ContentType": "image/png"}),
    ("CopyObject", {"CopyObjectResult": {"ETag": '"e"'}}),
    ("DeleteObjects", {"Deleted": [{"Key": "a"}], "Errors": [{"Key": "b", "Code": "c", "Message": "m"}]}),
    ("CompleteMultipartUpload", {"Bucket": "b-1", "Key": "k", "ETag": '"e"'}),
    ("ListParts", {"Parts": [{"PartNumber": 1, "Size": 5}, {"PartNumber": 2, "Size": 6}], "MaxParts": 2}),
    ("ListMultipartUploads", {"Uploads": [{"UploadId": "u", "Key": "k"}]}),
]


def parsed(name: str, result: dict[str, Any]) -> dict[str, Any]:
    """What a client of botocore makes of an answer."""
    operation = S3.model.operation_model(name)
    status, headers, body = answer_of(operation, result)
    response = {
        "status_code": status,
        "headers": HeadersDict((key.decode(), value.decode("latin-1")) for key, value in headers),
        "body": body,
    }
    read: dict[str, Any] = create_parser("rest-xml").parse(response, operation.output_shape)
    return {key: value for key, value in read.items() if key != "ResponseMetadata"}


@pytest.mark.parametrize(
    ("name", "result"), ANSWERS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_an_answer_is_read_by_botocore_as_it_was_meant(name: str, result: dict[str, Any]) -> None:
    if name == "GetBucketLocation":  # whose root is its member; a hook of the S3 client reads it
        assert b">eu-west-1</LocationConstraint>" in answer_of(S3.model.operation_model(name), result)[2]
    else:
        assert parsed(name, result) == result


@given(st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1))
def test_every_key_is_written_so_that_xml_can_be_read(key: str) -> None:
    _, _, body = answer_of(S3.model.operation_model("ListObjectsV2"), {"Contents": [{"Key": key}]})
    controls = {*map(chr, range(32)), "\x7f", "\ufffe", "\uffff"} - {"\t", "\n"}

    if controls & set(key):  # XML has no such characters; S3 writes references to them, and so do we
        assert b"&#x" in body
    else:
        assert parsed("ListObjectsV2", {"Contents": [{"Key": key}]})["Contents"][0]["Key"] == key


@pytest.mark.parametrize(
    ("method", "path", "query", "code"),
    [
        ("PATCH", "/b/k", "", "MethodNotAllowed"),
        ("POST", "/b", "", "MethodNotAllowed"),
        ("GET", "/b", "acl&versions", "NotImplemented"),
        ("GET", "/b/%ff", "", "InvalidURI"),
        ("GET", "/b", "max-keys=many", "InvalidArgument"),
        ("GET", "/b/k", "response-content-type=a%0d%0ab", "InvalidArgument"),
    ],
)
def test_what_is_no_request_of_s3_is_refused(method: str, path: str, query: str, code: str) -> None:
    def ask() -> None:
        address, asked = Address.parse(path.encode()), query_of(query.encode())
        operation = ROUTES.match(method, address, asked.keys())
        members = members_of(operation, address, asked, {})
        answer_of(operation, {"ContentType": members["ResponseContentType"]})

    with pytest.raises(ServiceError) as refused:
        ask()

    assert refused.value.code == code


@pytest.mark.parametrize(
    "body",
    [
        b"<Delete><Object><Key>a</Key></Object>",
        b'<!DOCTYPE a [<!ENTITY b "c">]><Delete/>',
        b"<Delete><Objects/></Delete>",
        b"\xff\xfe<",
        b"<a>" * 10_000,
        "<?xml version='1.0' encoding='utf-16'?><Delete/>".encode("utf-16"),
    ],
)
def test_a_body_that_is_not_the_xml_that_is_asked_for_is_refused(body: bytes) -> None:
    with pytest.raises(ServiceError, match="MalformedXML"):
        body_member(S3.model.operation_model("DeleteObjects"), body)


def test_the_path_is_the_bucket_and_all_behind_it_is_the_key() -> None:
    for key in ("a", "/a", "a//", "%41", string.punctuation):
        assert Address.parse(f"/b/{quote(key, safe='/')}".encode()) == Address("b", key)
    assert Address.parse(b"/b/") == Address.parse(b"/b") == Address("b", "")
    assert Address.parse(b"/") == Address()
