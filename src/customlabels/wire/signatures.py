"""Who is calling: Signature Version 4 of the headers, checked without any I/O.

Layer: wire. Knows keys, hashes and the rules of the signing process; the time is passed in.
Without keys nothing is verified; access key and region are still read from the credential scope, so that
ARNs carry the region that a client is set to.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from typing import NamedTuple
from urllib.parse import quote

from customlabels.errors import ServiceError

ALGORITHM = "AWS4-HMAC-SHA256"
SKEW_SECONDS = 15 * 60
REGION = re.compile(r"[a-z\d-]{1,40}")
HEX_SIGNATURE = re.compile(r"[0-9a-f]{64}")
STAMP = re.compile(r"\d{8}T\d{6}Z", re.ASCII)
TIMESTAMP = "%Y%m%dT%H%M%SZ"

MISMATCH = (
    "The request signature we calculated does not match the signature you provided. "
    "Check your AWS Secret Access Key and signing method."
)


@dataclass(frozen=True)
class Key:
    """What belongs to an access key: its secret, and the account that it acts for (12 digits).

    session_token: for a temporary key, what each of its requests must carry; empty for a lasting one, whose
    requests may carry any (clients send what lies in their environment; it opens nothing).
    """

    secret: str = field(repr=False)
    account: str
    session_token: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        if not re.fullmatch(r"\d{12}", self.account):
            raise ValueError(f"account {self.account!r} is not 12 digits")

    def takes_token(self, token: str) -> bool:
        """Whether a request that carries `token` may use this key."""
        return not self.session_token or hmac.compare_digest(self.session_token.encode(), token.encode())


@dataclass(frozen=True)
class Caller:
    """Who calls, and from which region's view; no access key where the request carried none."""

    account: str
    region: str
    access_key: str | None = None


class Claim(NamedTuple):
    """What a signature says of itself: `region` and `service` are those of its credential scope."""

    access_key: str
    date: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    signature: str

    @property
    def scope(self) -> str:
        """The credential's scope: day, region and service."""
        return f"{self.date}/{self.region}/{self.service}/aws4_request"


@dataclass(frozen=True)
class SignedRequest:
    """The parts of an HTTP request that a signature covers, as they came over the wire.

    headers: (lower-case name, value) pairs, as ASGI has them.
    """

    method: str
    raw_path: bytes
    query: bytes
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes = b""

    @cached_property
    def signable(self) -> Mapping[bytes, bytes]:
        """The headers as they are signed: repeated ones joined by commas, runs of blanks made one."""
        joined: dict[bytes, bytes] = {}
        for name, value in self.headers:
            text = b" ".join(value.split())
            joined[name] = joined[name] + b"," + text if name in joined else text
        return joined

    @cached_property
    def claim(self) -> Claim | None:
        """What the Authorization header says; None where it is absent or malformed."""
        header = self.signable.get(b"authorization", b"")
        if not header.isascii():
            return None
        algorithm, _, rest = header.decode().partition(" ")
        named = dict(part.strip().partition("=")[::2] for part in rest.split(","))
        return claim_of(
            algorithm, *(named.get(part, "") for part in ("Credential", "SignedHeaders", "Signature"))
        )


def claim_of(algorithm: str, credential: str, signed_headers: str, signature: str) -> Claim | None:
    """The claim that these parts of a signature make; None where one of them is malformed."""
    scope, signed = credential.rsplit("/", 4), tuple(signed_headers.split(";"))
    if algorithm != ALGORITHM or len(scope) != 5 or scope[4] != "aws4_request":
        return None
    if not all(signed) or not HEX_SIGNATURE.fullmatch(signature):
        return None
    access_key, date, region, service, _ = scope
    return Claim(access_key, date, region, service, signed, signature)


class Signatures:
    """Verifies requests against access keys; with no keys, everybody is let in as `default_account`."""

    def __init__(
        self,
        keys: Mapping[str, Key],
        *,
        default_account: str = "000000000000",
        default_region: str = "us-east-1",
    ) -> None:
        self._keys = dict(keys)
        self._anybody = Caller(default_account, default_region)

    def caller(self, request: SignedRequest, service: str, now: float) -> Caller:
        """The verified caller, or whom the request claims to be from where no keys are set."""
        claimed = self._claimed(request)
        if not self._keys:
            return claimed
        access_key = self.verify(request, service, now)
        return Caller(self._keys[access_key].account, claimed.region, access_key)

    def _claimed(self, request: SignedRequest) -> Caller:
        """Whom the request claims to be from, in the account of those who need no key."""
        claim, anybody = request.claim, self._anybody
        region = claim.region if claim and REGION.fullmatch(claim.region) else anybody.region
        return Caller(anybody.account, region, claim.access_key if claim else None)

    def verify(self, request: SignedRequest, service: str, now: float) -> str:
        """The access key that signed `request` for `service` (its signing name), at `now` (epoch seconds).

        Raises ServiceError: MissingAuthenticationTokenException, IncompleteSignatureException,
        UnrecognizedClientException, InvalidSignatureException.
        """
        if b"authorization" not in request.signable:
            raise ServiceError("MissingAuthenticationTokenException", "Missing Authentication Token")
        claim = request.claim
        if claim is None:
            parts = "'Credential', 'SignedHeaders', 'Signature'"
            raise _incomplete(f"Authorization header requires {ALGORITHM} and {parts}.")
        key = self._keys.get(claim.access_key)
        token = request.signable.get(b"x-amz-security-token", b"").decode("latin-1")
        if key is None or not key.takes_token(token):
            message = "The security token included in the request is invalid."
            raise ServiceError("UnrecognizedClientException", message)
        stamp = _checked_stamp(request, claim, now)
        if claim.service != service:
            raise _invalid(f"Credential should be scoped to correct service: '{service}'.")
        _check_signed_headers(request, claim)
        day_key = signing_key(key.secret, claim.date, claim.region, claim.service)
        if not is_signed(day_key, claim, stamp, _canonical(request, claim.signed_headers)):
            raise _invalid(MISMATCH)
        return claim.access_key


def _invalid(message: str) -> ServiceError:
    return ServiceError("InvalidSignatureException", message)


def _incomplete(message: str) -> ServiceError:
    return ServiceError("IncompleteSignatureException", message)


def _checked_stamp(request: SignedRequest, claim: Claim, now: float) -> str:
    """X-Amz-Date, once it is near `now` and on the day of the credential scope."""
    stamp = request.signable.get(b"x-amz-date", b"").decode("latin-1")
    try:
        signed = signed_at(stamp)
    except ValueError as error:
        message = f"Authorization header requires a valid 'X-Amz-Date' header, not '{stamp[:40]}'."
        raise _incomplete(message) from error
    if abs(now - signed) > SKEW_SECONDS:
        here = datetime.fromtimestamp(now, UTC).strftime(TIMESTAMP)
        verdict, side = ("expired", "earlier") if signed < now else ("not yet current", "later")
        what = f"{stamp} is more than 15 min. {side} than {here}, this server's time"
        raise _invalid(f"Signature {verdict}: {what}")
    if claim.date != stamp[:8]:
        rule = "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP"
        raise _invalid(f"{rule}: '{claim.date}' != '{stamp[:8]}'")
    return stamp


def _check_signed_headers(request: SignedRequest, claim: Claim) -> None:
    """Host, and every X-Amz- header: whoever sits between could turn one call into another otherwise."""
    present = {name.decode("latin-1") for name in request.signable}
    must_be_signed = {"host", *(name for name in present if name.startswith("x-amz-"))}
    for name in sorted(must_be_signed.difference(claim.signed_headers)):
        raise _invalid(f"'{name}' must be a 'SignedHeader' in the AWS Credential.")
    for name in sorted(set(claim.signed_headers) - present):
        raise _invalid(f"The signed header '{name}' is not in the request.")


def _canonical(request: SignedRequest, signed_headers: Sequence[str]) -> bytes:
    """The canonical request: what client and server hash alike."""
    path = quote(request.raw_path, safe="/~") or "/"
    pairs = sorted(pair.partition(b"=")[::2] for pair in request.query.split(b"&") if pair)
    query = b"&".join(name + b"=" + value for name, value in pairs)
    names = [name.encode() for name in signed_headers]
    headers = b"".join(name + b":" + request.signable[name] + b"\n" for name in names)
    body = hashlib.sha256(request.body).hexdigest()
    return b"\n".join(
        [request.method.encode(), path.encode(), query, headers, b";".join(names), body.encode()]
    )


def signed_at(stamp: str) -> float:
    """Epoch seconds of an X-Amz-Date; ValueError for what is none."""
    if not STAMP.fullmatch(stamp):
        raise ValueError(stamp)
    return datetime.fromisoformat(stamp).timestamp()


def is_signed(day_key: bytes, claim: Claim, stamp: str, canonical: bytes) -> bool:
    """Whether the claim's signature is that of the canonical request, by the key of its day."""
    digest = hashlib.sha256(canonical).hexdigest()
    signature = hmac_of(day_key, f"{ALGORITHM}\n{stamp}\n{claim.scope}\n{digest}").hex()
    return hmac.compare_digest(signature, claim.signature)


@lru_cache(maxsize=256)
def signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    """The key of one day, region and service."""
    key = f"AWS4{secret}".encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac_of(key, part)
    return key


def hmac_of(key: bytes, text: str) -> bytes:
    """HMAC-SHA256, which all of the signing process is made of."""
    return hmac.digest(key, text.encode(), "sha256")
