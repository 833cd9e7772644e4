"""Serving: running versions, each of some units; a unit is a process that answers one image at a time.

Layer: above training. Sees model folders and bytes; knows nothing of projects or HTTP, never imports torch.
The `Supervisor` lives on the server's event loop. Units hang on it by a socket: when the server dies, even by
SIGKILL, the socket closes and each unit ends, so nothing is left behind.
"""

from customlabels.serving.refusals import DetectionFailed, NotServing, Overloaded, ServingError, StartFailed
from customlabels.serving.supervisor import Supervisor
from customlabels.serving.versions import UnitStatus, VersionStatus

__all__ = [
    "DetectionFailed",
    "NotServing",
    "Overloaded",
    "ServingError",
    "StartFailed",
    "Supervisor",
    "UnitStatus",
    "VersionStatus",
]
