"""Train, judge and serve image models behind the Rekognition Custom Labels API."""

__all__ = ["__version__"]

__version__ = "0.1.0"
