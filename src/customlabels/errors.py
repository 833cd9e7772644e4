"""The root of the error family; every room derives its own errors from here.

CustomLabelsError          anything that we raise on purpose; its text is fit for a user to read
    InvalidInput           what a user handed over cannot be used (files, definitions, settings)
    ServiceError           an answer of a service: carries the error code of its model
"""

__all__ = ["CustomLabelsError", "InvalidInput", "ServiceError"]


class CustomLabelsError(Exception):
    """Anything that we raise on purpose; its text is fit for a user to read."""


class InvalidInput(CustomLabelsError):
    """What a user handed over cannot be used; the text says what, which value, which rule, what next."""


class ServiceError(CustomLabelsError):
    """An API call that is refused; `code` is the shape name of the service's model."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"
