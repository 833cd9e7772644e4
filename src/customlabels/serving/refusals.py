"""Why a version does not start or a request gets no labels.

ServingError
    NotServing         the version is not running: never started, starting for too long, stopping, failed
    Overloaded         every unit is busy and the queue is full; try again later
    StartFailed        a unit could not be brought up; the text says why
    DetectionFailed    the request itself ended a unit twice, or the model gave no usable scores
What is wrong with an image is told by the errors of `customlabels.images`.
"""

from customlabels.errors import CustomLabelsError

__all__ = ["DetectionFailed", "NotServing", "Overloaded", "ServingError", "StartFailed", "StartKilled"]


class ServingError(CustomLabelsError):
    """A version that cannot start or answer."""


class NotServing(ServingError):
    """The version does not run now."""


class Overloaded(ServingError):
    """The queue of the version is full."""


class StartFailed(ServingError):
    """A unit did not come up."""


class StartKilled(StartFailed):
    """A unit was killed from outside while it started; another may come up."""


class DetectionFailed(ServingError):
    """The units run, but this image gets no answer."""
