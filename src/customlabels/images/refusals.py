"""Why an image, or a way of preparing images, is refused."""

from customlabels.errors import CustomLabelsError


class ImageError(CustomLabelsError):
    """An image that cannot be used; the text says which rule it breaks."""


class InvalidImageFormat(ImageError):
    """Not a PNG or JPEG, or broken inside."""


class ImageTooLarge(ImageError):
    """More bytes, pixels or length of a side than the limits allow; found before decoding."""


class InvalidImage(ImageError):
    """A good file with a side that is too short, or proportions that are too extreme."""


class InvalidPreprocessing(ImageError):
    """Preprocessing settings that are not known or out of range."""
