"""Serving: running versions, each of some units; a unit is a process that answers one image at a time.

Layer: above training. Sees model folders and bytes; knows nothing of projects or HTTP, never imports torch.
The `Supervisor` lives on the server's event loop. Units hang on it by a socket: when the server dies, even by
SIGKILL, the socket closes and each unit ends, so nothing is left behind.
"""

from typing import TYPE_CHECKING

from customlabels.doors import later

if TYPE_CHECKING:
    from customlabels.serving.refusals import DetectionFailed, NotServing, Overloaded, StartFailed
    from customlabels.serving.shadows import PROMOTE, ROLL_BACK, Counts, Pair, Rules, Shadow
    from customlabels.serving.slots import UnitStatus, VersionStatus
    from customlabels.serving.supervisor import Supervisor
    from customlabels.serving.traffic import BUCKETS, Terms
else:
    __getattr__ = later(__name__)

__all__ = [
    "BUCKETS",
    "PROMOTE",
    "ROLL_BACK",
    "Counts",
    "DetectionFailed",
    "NotServing",
    "Overloaded",
    "Pair",
    "Rules",
    "Shadow",
    "StartFailed",
    "Supervisor",
    "Terms",
    "UnitStatus",
    "VersionStatus",
]
