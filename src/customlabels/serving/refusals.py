"""Why a version does not start or a request gets no labels.

What is wrong with an image is told by the errors of `customlabels.images`.
"""

from customlabels.errors import CustomLabelsError


class ServingError(CustomLabelsError):
    """A version that cannot start or answer."""


class NotServing(ServingError):
    """The version does not run: never started, starting for too long, stopping, failed."""


class Overloaded(ServingError):
    """Every unit is busy and the queue is full; try again later."""


class StartFailed(ServingError):
    """A unit did not come up; the text says why."""


class StartKilled(StartFailed):
    """A unit was killed from outside while it started; another may come up."""


class DetectionFailed(ServingError):
    """The request itself ended a unit twice, or the model gave no usable scores."""
