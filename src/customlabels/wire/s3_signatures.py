"""Who is calling S3: Signature Version 4 in a header or an address, and boto3's older signed addresses.

Layer: wire. Knows keys, hashes and the rules of signing; the time is passed in. S3 differs from the JSON
services: the path is encoded once, the body's digest is named by a header, chunks are signed in turn.
Without keys nothing is verified; access key and region are still read.
"""

from __future__ import annotations

import base64
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from urllib.parse import quote, unquote_to_bytes

from customlabels.errors import ServiceError
from customlabels.wire.chunks import Seal
from customlabels.wire.rest import query_of
from customlabels.wire.signatures import (
    ALGORITHM,
    MISMATCH,
    SKEW_SECONDS,
    Caller,
    Claim,
    Key,
    Signatures,
    SignedRequest,
    claim_of,
    is_signed,
    signed_at,
    signing_key,
)

LONGEST_PRESIGNED = 7 * 24 * 3600  # seconds
UNSIGNED = "UNSIGNED-PAYLOAD"
# Parameters that belong to the resource in the older signing process.
SUBRESOURCES = frozenset(
    [
        *("delete", "location", "partNumber", "tagging", "uploadId", "uploads", "versionId", "versioning"),
        *(f"response-content-{part}" for part in ("disposition", "encoding", "language", "type")),
        *("response-cache-control", "response-expires"),
    ]
)


class S3Request(SignedRequest):
    """The head of a request; its body is signed by the digest that a header names."""

    @cached_property
    def named(self) -> dict[str, str]:
        """Headers by lower-case name, as they are signed."""
        return {name.decode("latin-1"): value.decode("latin-1") for name, value in self.signable.items()}

    @cached_property
    def params(self) -> dict[str, str]:
        """The query's parameters."""
        return query_of(self.query)

    @property
    def is_presigned(self) -> bool:
        """Whether the signature stands in the address."""
        return "X-Amz-Algorithm" in self.params or "X-Amz-Signature" in self.params

    @cached_property
    def claim(self) -> Claim | None:
        """What header or address say of the signature; None where they say nothing that could be one."""
        if not self.is_presigned:
            return super().claim
        parts = ("Algorithm", "Credential", "SignedHeaders", "Signature")
        return claim_of(*(self.params.get(f"X-Amz-{part}", "") for part in parts))


@dataclass(frozen=True)
class Verified:
    """The caller, and what verifies the body's chunks; None where nothing is verified."""

    caller: Caller
    seal: Seal | None = None


class S3Signatures(Signatures):
    """The same for requests to S3."""

    @property
    def is_open(self) -> bool:
        """Whether nobody needs a key."""
        return not self._keys

    def verified(self, request: S3Request, now: float) -> Verified:
        """Who sent `request`, at `now` (epoch seconds). Raises ServiceError with S3's codes."""
        claim, claimed = request.claim, self._claimed(request)
        if self.is_open:
            return Verified(claimed)
        if "AWSAccessKeyId" in request.params:
            access_key = request.params["AWSAccessKeyId"]
            self._verify_older(request, self._key(access_key), now)
            return Verified(Caller(self._keys[access_key].account, claimed.region, access_key))
        if claim is None:
            raise _unsigned(request)
        key = self._key(claim.access_key)
        stamp = _checked_stamp(request, claim, now)
        if claim.service != "s3":
            raise _malformed(request, f"the credential is for the service {claim.service!r}, not 's3'")
        _check_signed_headers(request, claim)
        _check_token(request, key)
        day_key = signing_key(key.secret, claim.date, claim.region, claim.service)
        if not is_signed(day_key, claim, stamp, _canonical(request, claim)):
            raise ServiceError("SignatureDoesNotMatch", MISMATCH)
        caller = Caller(key.account, claimed.region, claim.access_key)
        return Verified(caller, Seal(day_key, stamp, claim.scope, claim.signature))

    def _key(self, access_key: str) -> Key:
        key = self._keys.get(access_key)
        if key is None:
            message = "The AWS Access Key Id you provided does not exist in our records."
            raise ServiceError("InvalidAccessKeyId", message)
        return key

    def _verify_older(self, request: S3Request, key: Key, now: float) -> None:
        """An address signed by Version 2, which is what boto3 still makes for an endpoint of one's own."""
        params = request.params
        expires = params.get("Expires", "")
        if not expires.isdecimal() or not expires.isascii():
            raise _malformed(request, "a signed address needs Expires, in epoch seconds")
        if now > int(expires[:12]):
            raise ServiceError("AccessDenied", "Request has expired")
        _check_token(request, key)
        named = {name.lower(): value for name, value in params.items()} | request.named
        amz = "".join(
            f"{name}:{value}\n" for name, value in sorted(named.items()) if name.startswith("x-amz-")
        )
        parts = [
            f"{name}={value}" if value else name
            for name, value in sorted(params.items())
            if name in SUBRESOURCES
        ]
        resource = request.raw_path.decode("latin-1") + ("?" + "&".join(parts) if parts else "")
        lines = [request.method, named.get("content-md5", ""), named.get("content-type", ""), expires]
        to_sign = "\n".join(lines) + f"\n{amz}{resource}"
        digest = hmac.digest(key.secret.encode(), to_sign.encode("latin-1"), "sha1")
        signature = base64.b64encode(digest).decode()
        if not hmac.compare_digest(signature.encode(), params.get("Signature", "").encode()):
            raise ServiceError("SignatureDoesNotMatch", MISMATCH)


def _unsigned(request: S3Request) -> ServiceError:
    if request.is_presigned or "authorization" in request.named:
        return _malformed(request, f"it needs {ALGORITHM} with Credential, SignedHeaders and Signature")
    return ServiceError("AccessDenied", "this server has access keys: the request must be signed with one")


def _malformed(request: S3Request, what: str) -> ServiceError:
    presigned = request.is_presigned or "AWSAccessKeyId" in request.params
    code = "AuthorizationQueryParametersError" if presigned else "AuthorizationHeaderMalformed"
    return ServiceError(code, f"the signature cannot be read: {what}")


def _checked_stamp(request: S3Request, claim: Claim, now: float) -> str:
    """When it was signed, once that is near `now` (or its address has not expired) and on the scope's day."""
    params = request.params
    stamp = params.get("X-Amz-Date", "") if request.is_presigned else request.named.get("x-amz-date", "")
    try:
        signed = signed_at(stamp)
    except ValueError as error:
        raise _malformed(request, f"X-Amz-Date {stamp[:40]!r} is not like 20260131T235959Z") from error
    if claim.date != stamp[:8]:
        raise _malformed(request, f"its scope is of {claim.date[:40]!r}, X-Amz-Date of {stamp[:8]}")
    if request.is_presigned:
        expires = params.get("X-Amz-Expires", "")
        if not (expires.isascii() and expires.isdecimal() and 1 <= int(expires[:9]) <= LONGEST_PRESIGNED):
            raise _malformed(
                request, f"X-Amz-Expires is 1 to {LONGEST_PRESIGNED} seconds, not {expires[:40]!r}"
            )
        if now > signed + int(expires):
            raise ServiceError("AccessDenied", "Request has expired")
        if signed - now > SKEW_SECONDS:
            raise ServiceError("AccessDenied", "Request is not valid yet")
    elif abs(now - signed) > SKEW_SECONDS:
        here = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
        message = f"The request's time {stamp} is more than 15 min. from {here}, this server's time"
        raise ServiceError("RequestTimeTooSkewed", message)
    return stamp


def _check_signed_headers(request: S3Request, claim: Claim) -> None:
    """Host, and every X-Amz- header: whoever sits between could turn one call into another otherwise."""
    must_be_signed = {"host", *(name for name in request.named if name.startswith("x-amz-"))}
    if request.is_presigned:  # the body's digest is no part of what was signed in advance
        must_be_signed.discard("x-amz-content-sha256")
    if unsigned := sorted(must_be_signed.difference(claim.signed_headers)):
        raise ServiceError("AccessDenied", f"There were headers which were not signed: {', '.join(unsigned)}")
    if missing := sorted(set(claim.signed_headers) - request.named.keys()):
        raise ServiceError("SignatureDoesNotMatch", f"signed headers are not there: {', '.join(missing)}")
    if not request.is_presigned and "x-amz-content-sha256" not in request.named:
        raise ServiceError("InvalidRequest", "Missing required header for this request: x-amz-content-sha256")


def _check_token(request: S3Request, key: Key) -> None:
    params, named = request.params, request.named
    token = named.get("x-amz-security-token") or params.get("X-Amz-Security-Token")
    token = token or params.get("x-amz-security-token", "")
    if not key.takes_token(token):
        raise ServiceError("InvalidToken", "The provided token is malformed or otherwise invalid.")


def _canonical(request: S3Request, claim: Claim) -> bytes:
    """The canonical request: what client and server hash alike."""
    path = quote(unquote_to_bytes(request.raw_path), safe="/~") or "/"
    pairs = [pair.partition(b"=")[::2] for pair in request.query.split(b"&") if pair]
    encoded = sorted((_encoded(name), _encoded(value)) for name, value in pairs)
    query = "&".join(f"{name}={value}" for name, value in encoded if name != "X-Amz-Signature")
    headers = "".join(f"{name}:{request.named[name]}\n" for name in claim.signed_headers)
    usual = UNSIGNED if request.is_presigned else ""
    digest = request.named.get("x-amz-content-sha256", usual)
    if request.is_presigned and "x-amz-content-sha256" not in claim.signed_headers:
        digest = request.params.get("X-Amz-Content-Sha256", UNSIGNED)
    lines = [request.method, path, query, headers, ";".join(claim.signed_headers), digest]
    return "\n".join(lines).encode("latin-1")


def _encoded(part: bytes) -> str:
    return quote(unquote_to_bytes(part), safe="~")
