"""Requests signed by botocore are recognised; anything changed on the way is not."""

from dataclasses import replace
from datetime import UTC, datetime
from unittest.mock import patch

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from customlabels.errors import ServiceError
from customlabels.wire import Caller, Key, Signatures, SignedRequest

NOW = 1_790_000_000.0
KEYS = {"AKIDEXAMPLE": Key("secret", "111122223333")}


def signed(
    *,
    secret: str = "secret",
    access_key: str = "AKIDEXAMPLE",
    token: str | None = None,
    service: str = "rekognition",
    body: bytes = b"{}",
    url: str = "http://127.0.0.1:4577/",
) -> SignedRequest:
    """A request as botocore signs it at NOW."""
    headers = {
        "Host": url.split("/")[2],
        "X-Amz-Target": "RekognitionService.DescribeProjects",
        "Content-Type": "application/x-amz-json-1.1",
        "X-Odd": "a   b",
    }
    request = AWSRequest("POST", url, headers=headers, data=body)
    with patch("botocore.auth.get_current_datetime", lambda: datetime.fromtimestamp(NOW, UTC)):
        SigV4Auth(Credentials(access_key, secret, token), service, "eu-west-1").add_auth(request)
    pairs = [(name.lower().encode(), str(value).encode()) for name, value in request.headers.items()]
    path, _, query = url.partition("//")[2].partition("/")[2].partition("?")
    return SignedRequest("POST", f"/{path}".encode(), query.encode(), pairs, body)


def changed(request: SignedRequest, name: bytes, value: bytes | None) -> SignedRequest:
    """The request with a header of another value, or without it."""
    kept = [pair for pair in request.headers if pair[0] != name]
    return replace(request, headers=kept + ([(name, value)] if value is not None else []))


def refusal(request: SignedRequest, *, now: float = NOW, service: str = "rekognition") -> str:
    """The code that `request` is refused with."""
    with pytest.raises(ServiceError) as caught:
        Signatures(KEYS).verify(request, service, now)
    return caught.value.code


@pytest.mark.parametrize(
    "request_",
    [
        signed(),
        signed(token="session/token=="),
        signed(body=bytes(range(256)) * 100),
        signed(url="http://127.0.0.1:4577/?b=2&a=1&a=%20&c"),
        signed(url="http://127.0.0.1:4577/a%20path/with~signs"),
    ],
    ids=["plain", "token", "binary", "query", "path"],
)
def test_a_request_signed_by_botocore_is_verified(request_: SignedRequest) -> None:
    assert Signatures(KEYS).verify(request_, "rekognition", NOW) == "AKIDEXAMPLE"


def test_the_caller_is_the_account_of_the_key_in_the_region_of_the_scope() -> None:
    caller = Signatures(KEYS).caller(signed(), "rekognition", NOW)

    assert caller == Caller("111122223333", "eu-west-1", "AKIDEXAMPLE")


def test_header_order_and_blanks_do_not_matter() -> None:
    request = signed()
    spaced = [(name, b"  " + value + b" ") for name, value in reversed(request.headers)]

    assert Signatures(KEYS).verify(replace(request, headers=spaced), "rekognition", NOW) == "AKIDEXAMPLE"


@pytest.mark.parametrize("seconds", [-899, 899])
def test_a_clock_may_be_a_quarter_of_an_hour_wrong(seconds: int) -> None:
    assert Signatures(KEYS).verify(signed(), "rekognition", NOW + seconds) == "AKIDEXAMPLE"


@pytest.mark.parametrize("seconds", [-901, 901, 86_400])
def test_an_old_or_early_signature_is_invalid(seconds: int) -> None:
    assert refusal(signed(), now=NOW + seconds) == "InvalidSignatureException"


def test_a_wrong_secret_is_an_invalid_signature() -> None:
    assert refusal(signed(secret="other")) == "InvalidSignatureException"


def test_an_unknown_access_key_is_an_unrecognized_client() -> None:
    assert refusal(signed(access_key="AKIDNOBODY")) == "UnrecognizedClientException"


def test_a_request_without_signature_is_missing_its_token() -> None:
    assert refusal(changed(signed(), b"authorization", None)) == "MissingAuthenticationTokenException"


@pytest.mark.parametrize(
    "request_",
    [
        replace(signed(), body=b'{"a":1}'),
        replace(signed(), method="PUT"),
        replace(signed(), query=b"a=1"),
        replace(signed(), raw_path=b"/other"),
        changed(signed(), b"host", b"other:4577"),
        changed(signed(), b"x-amz-target", b"RekognitionService.DeleteProject"),
        changed(signed(token="session"), b"x-amz-security-token", b"other"),
    ],
    ids=["body", "method", "query", "path", "host", "target", "token"],
)
def test_whatever_is_changed_on_the_way_breaks_the_signature(request_: SignedRequest) -> None:
    assert refusal(request_) == "InvalidSignatureException"


def test_a_header_added_on_the_way_must_have_been_signed() -> None:
    assert refusal(changed(signed(), b"x-amz-security-token", b"new")) == "InvalidSignatureException"


def test_a_signed_header_must_be_there() -> None:
    assert refusal(changed(signed(), b"x-odd", None)) == "InvalidSignatureException"


@pytest.mark.parametrize("name", ["host", "x-amz-target", "x-amz-date"])
def test_host_target_and_date_must_be_among_the_signed_headers(name: str) -> None:
    request = signed()
    header = request.signable[b"authorization"].decode()
    claimed = header.replace(f"{name};", "").replace(f";{name},", ",")

    assert refusal(changed(request, b"authorization", claimed.encode())) == "InvalidSignatureException"


def test_a_signature_for_another_service_is_invalid() -> None:
    assert refusal(signed(), service="states") == "InvalidSignatureException"


def test_the_scope_must_be_of_the_day_of_signing() -> None:
    request = signed()
    day = datetime.fromtimestamp(NOW, UTC).strftime("%Y%m%d").encode()
    other = request.signable[b"authorization"].replace(day, b"20200101")

    assert refusal(changed(request, b"authorization", other)) == "InvalidSignatureException"


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"Basic dXNlcjpwYXNz",
        b"AWS4-HMAC-SHA256",
        b"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE, SignedHeaders=host, Signature=" + b"0" * 64,
        b"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260921/eu-west-1/rekognition/aws4_request, Signature=00",
        b"AWS4-HMAC-SHA256 Credential=A/20260921/eu-west-1/rekognition/aws4, SignedHeaders=host, Signature=0",
        b"AWS4-HMAC-SHA256 \xff\xfe",
    ],
)
def test_a_malformed_authorization_is_incomplete(header: bytes) -> None:
    assert refusal(changed(signed(), b"authorization", header)) == "IncompleteSignatureException"


@pytest.mark.parametrize("stamp", [None, b"yesterday", b"20260921", b"99999999T999999Z"])
def test_a_request_without_a_readable_date_is_incomplete(stamp: bytes | None) -> None:
    assert refusal(changed(signed(), b"x-amz-date", stamp)) == "IncompleteSignatureException"


def test_without_keys_everybody_is_the_default_account_in_the_region_of_the_scope() -> None:
    signatures = Signatures({}, default_account="123456789012", default_region="us-east-1")

    claimed = signatures.caller(signed(secret="whatever"), "rekognition", NOW)
    unsigned = signatures.caller(changed(signed(), b"authorization", None), "rekognition", NOW)

    assert claimed == Caller("123456789012", "eu-west-1", "AKIDEXAMPLE")
    assert unsigned == Caller("123456789012", "us-east-1", None)


def test_without_keys_a_region_that_fits_no_arn_is_the_default() -> None:
    request = signed()
    odd = request.signable[b"authorization"].replace(b"eu-west-1", b"EU WEST:1")

    caller = Signatures({}).caller(changed(request, b"authorization", odd), "rekognition", NOW)

    assert caller.region == "us-east-1"


def test_a_key_keeps_its_secret_out_of_logs_and_has_a_whole_account() -> None:
    assert "hush" not in repr(Key("hush", "111122223333"))
    with pytest.raises(ValueError, match="not 12 digits"):
        Key("hush", "1111")
