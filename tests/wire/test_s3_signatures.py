"""Requests signed for S3 by botocore are recognised; anything changed on the way is not."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from unittest.mock import patch
from urllib.parse import urlsplit

import pytest
from botocore.auth import HmacV1QueryAuth, S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from customlabels.errors import ServiceError
from customlabels.wire import Caller, Key, S3Signatures
from customlabels.wire.chunks import Seal
from customlabels.wire.s3_signatures import S3Request
from customlabels.wire.signatures import signing_key

NOW = 1_790_000_000.0
KEYS = {
    "AKIDEXAMPLE": Key("secret", "111122223333"),
    "ASIATEMPORARY": Key("secret", "444455556666", session_token="token"),
}
SIGNATURES = S3Signatures(KEYS, default_account="123456789012", default_region="us-east-1")
HOST = "http://127.0.0.1:4577"
HARD = f"{HOST}/my-bucket/a%20b/c%2Bd%25/%C3%A9//x?prefix=a%20b&x-id=GetObject&uploads"


def signed(
    kind: type,
    url: str = HARD,
    *,
    key: str = "AKIDEXAMPLE",
    secret: str = "secret",
    token: str | None = None,
    headers: dict[str, str] | None = None,
) -> S3Request:
    """A request as botocore signs it at NOW."""
    request = AWSRequest("GET", url, headers={"Host": urlsplit(url).netloc, **(headers or {})})
    arguments = () if kind is HmacV1QueryAuth else ("s3", "eu-west-1")
    moment = datetime.fromtimestamp(NOW, UTC)
    with patch("botocore.auth.get_current_datetime", lambda: moment), patch("time.time", lambda: NOW):
        kind(Credentials(key, secret, token), *arguments).add_auth(request)
    parts = urlsplit(request.prepare().url)
    pairs = [(name.lower().encode(), str(value).encode()) for name, value in request.headers.items()]
    return S3Request("GET", parts.path.encode(), parts.query.encode(), pairs)


def refusal(request: S3Request, now: float = NOW) -> str:
    with pytest.raises(ServiceError) as refused:
        SIGNATURES.verified(request, now)
    assert refused.value.message
    return refused.value.code


KINDS = [S3SigV4Auth, S3SigV4QueryAuth, HmacV1QueryAuth]


@pytest.mark.parametrize("kind", KINDS)
def test_a_request_signed_by_botocore_is_verified(kind: type) -> None:
    caller = SIGNATURES.verified(signed(kind), NOW).caller

    region = "us-east-1" if kind is HmacV1QueryAuth else "eu-west-1"
    assert caller == Caller("111122223333", region, "AKIDEXAMPLE")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda request: replace(request, method="PUT"), "SignatureDoesNotMatch"),
        (lambda request: replace(request, raw_path=b"/my-bucket/other"), "SignatureDoesNotMatch"),
        (lambda request: replace(request, query=request.query + b"&versionId=2"), "SignatureDoesNotMatch"),
    ],
)
def test_a_request_that_was_changed_is_refused(
    kind: type, change: Callable[[S3Request], S3Request], code: str
) -> None:
    assert refusal(change(signed(kind))) == code


@pytest.mark.parametrize("kind", KINDS)
def test_a_wrong_secret_and_an_unknown_key_are_told_apart(kind: type) -> None:
    assert refusal(signed(kind, secret="guessed")) == "SignatureDoesNotMatch"
    assert refusal(signed(kind, key="AKIDNOBODY")) == "InvalidAccessKeyId"


@pytest.mark.parametrize("kind", KINDS)
def test_a_temporary_key_needs_its_own_token(kind: type) -> None:
    assert SIGNATURES.verified(signed(kind, key="ASIATEMPORARY", token="token"), NOW)
    assert refusal(signed(kind, key="ASIATEMPORARY", token="other")) == "InvalidToken"
    assert refusal(signed(kind, key="ASIATEMPORARY")) == "InvalidToken"


def test_a_signature_in_a_header_is_good_for_a_quarter_of_an_hour() -> None:
    request = signed(S3SigV4Auth)

    assert SIGNATURES.verified(request, NOW + 899)
    assert refusal(request, NOW + 901) == "RequestTimeTooSkewed"
    assert refusal(request, NOW - 901) == "RequestTimeTooSkewed"


@pytest.mark.parametrize("kind", [S3SigV4QueryAuth, HmacV1QueryAuth])
def test_a_signed_address_is_good_until_it_expires(kind: type) -> None:
    request = signed(kind)

    assert SIGNATURES.verified(request, NOW + 3599)
    assert refusal(request, NOW + 3601) == "AccessDenied"


def test_an_address_may_not_be_signed_for_more_than_a_week() -> None:
    request = signed(S3SigV4QueryAuth)

    longer = replace(request, query=request.query.replace(b"Expires=3600", b"Expires=604801"))

    assert refusal(longer) == "AuthorizationQueryParametersError"
    assert refusal(request, NOW - 901) == "AccessDenied"


def test_headers_of_aws_must_be_signed_and_signed_ones_be_there() -> None:
    request = signed(S3SigV4Auth, headers={"x-amz-meta-a": "b", "x-odd": "c"})

    added = replace(request, headers=[*request.headers, (b"x-amz-acl", b"private")])
    removed = replace(request, headers=[pair for pair in request.headers if pair[0] != b"x-odd"])

    assert SIGNATURES.verified(request, NOW)
    assert refusal(added) == "AccessDenied"
    assert refusal(removed) == "SignatureDoesNotMatch"


@pytest.mark.parametrize(
    ("headers", "query", "code"),
    [
        ([], b"", "AccessDenied"),
        ([(b"authorization", b"AWS AKID:sig")], b"", "AuthorizationHeaderMalformed"),
        ([(b"authorization", b"AWS4-HMAC-SHA256 Credential=x")], b"", "AuthorizationHeaderMalformed"),
        ([], b"X-Amz-Algorithm=AWS4-HMAC-SHA256", "AuthorizationQueryParametersError"),
        ([], b"AWSAccessKeyId=AKIDEXAMPLE&Signature=x", "AuthorizationQueryParametersError"),
        ([], b"AWSAccessKeyId=AKIDEXAMPLE&Signature=%ff&Expires=99999999999", "SignatureDoesNotMatch"),
    ],
)
def test_half_a_signature_is_none(headers: list[tuple[bytes, bytes]], query: bytes, code: str) -> None:
    assert refusal(S3Request("GET", b"/b/k", query, headers)) == code


def test_without_keys_everybody_is_the_same_account() -> None:
    everybody = S3Signatures({}, default_account="123456789012", default_region="us-east-1")

    assert everybody.verified(signed(S3SigV4Auth), NOW).caller == Caller(
        "123456789012", "eu-west-1", "AKIDEXAMPLE"
    )


def published() -> S3Request:
    """The request with a body in signed chunks that AWS's documentation works through."""
    names = (
        "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length"
    )
    scope = "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request"
    signature = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
    signed_names = f"SignedHeaders={names};x-amz-storage-class"
    headers = {
        "authorization": f"AWS4-HMAC-SHA256 Credential={scope},{signed_names},Signature={signature}",
        "content-encoding": "aws-chunked",
        "content-length": "66824",
        "host": "s3.amazonaws.com",
        "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "x-amz-date": "20130524T000000Z",
        "x-amz-decoded-content-length": "66560",
        "x-amz-storage-class": "REDUCED_REDUNDANCY",
    }
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    return S3Request("PUT", b"/examplebucket/chunkObject.txt", b"", pairs)


def test_the_chunks_of_awss_own_example_are_verified_one_after_the_other() -> None:
    key = Key("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "111122223333")
    keys = {"AKIAIOSFODNN7EXAMPLE": key}
    signatures = S3Signatures(keys, default_account="123456789012", default_region="us-east-1")
    moment = datetime(2013, 5, 24, tzinfo=UTC).timestamp()
    chunks = [
        (65536, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"),
        (1024, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"),
        (0, "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"),
    ]

    seal = signatures.verified(published(), moment).seal
    assert seal
    for size, signature in chunks:
        seal.chunk(hashlib.sha256(b"a" * size).hexdigest(), signature)

    swapped = signatures.verified(published(), moment).seal
    assert swapped
    with pytest.raises(ServiceError, match="SignatureDoesNotMatch"):
        swapped.chunk(hashlib.sha256(b"a" * 1024).hexdigest(), chunks[1][1])


def test_the_trailer_of_awss_own_example_is_verified_after_its_chunks() -> None:
    key = signing_key("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "20130524", "us-east-1", "s3")
    seed = "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e"
    seal = Seal(key, "20130524T000000Z", "20130524/us-east-1/s3/aws4_request", seed)
    trailer = b"x-amz-checksum-crc32c:sOO8/Q==\n"
    for size, signature in [
        (65536, "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2"),
        (1024, "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7"),
        (0, "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992"),
    ]:
        seal.chunk(hashlib.sha256(b"a" * size).hexdigest(), signature)

    seal.trailer(trailer, "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435")
    with pytest.raises(ServiceError, match="SignatureDoesNotMatch"):
        seal.trailer(trailer, "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435")
