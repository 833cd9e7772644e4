"""The wire: AWS JSON 1.0 and 1.1 and S3's REST over HTTP, from botocore's own service models, and SigV4.

Layer: the ground. Bytes in, checked values out, and back; it opens no sockets and knows no business.

    services = load_services(model_folder)
    app = WireApp(services, dispatch, Signatures({"AKIA...": Key(secret, account)}))     # an ASGI application

`dispatch` awaits an `Invocation` and returns the answer as a dictionary, or raises ServiceError.
"""

from customlabels.wire.checking import check_output, validate
from customlabels.wire.checksums import ALGORITHMS
from customlabels.wire.hosts import FOREIGN_HOST, has_own_host
from customlabels.wire.http import Application, Invocation, Limits, Receive, Send, WireApp
from customlabels.wire.s3 import S3App
from customlabels.wire.s3_signatures import S3Signatures
from customlabels.wire.serialising import OutputError, serialise
from customlabels.wire.services import ModelNotFound, Service, Services, load_services
from customlabels.wire.signatures import Caller, Key, Signatures, SignedRequest

__all__ = [
    "ALGORITHMS",
    "FOREIGN_HOST",
    "Application",
    "Caller",
    "Invocation",
    "Key",
    "Limits",
    "ModelNotFound",
    "OutputError",
    "Receive",
    "S3App",
    "S3Signatures",
    "Send",
    "Service",
    "Services",
    "Signatures",
    "SignedRequest",
    "WireApp",
    "check_output",
    "has_own_host",
    "load_services",
    "serialise",
    "validate",
]
