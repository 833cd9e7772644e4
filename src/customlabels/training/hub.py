"""Pretrained backbones of the Hugging Face hub, as folders: brought on request, read as data.

Layer: training; no torch. A backbone is a folder with `config.json` and safetensors, as `transformers` saves
it. Nothing is ever downloaded but by `fetch`, and pickles and programs of a repository are not even fetched.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from customlabels.errors import InvalidInput
from customlabels.inference import WEIGHTS as OWN_WEIGHTS
from customlabels.training.plan import Size

CONFIG, PROCESSOR, WEIGHTS = "config.json", "preprocessor_config.json", "*.safetensors"
USUAL_SIDE = 224  # pixels, where a folder does not say
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
EPOCHS, BATCH, MARGIN = 20, 16, 1.15  # of fine-tuning without a budget; not measured with real weights
PART = ".part"  # of the name of a folder that is not whole yet
CONNECT_SECONDS = 3.0  # for the hub to answer


class InvalidBackbone(InvalidInput):
    """A folder or a name that is no backbone; the text says what is missing and what to do."""


@dataclass(frozen=True)
class HubBackbone:
    """A backbone's folder and how it wants its images.

    side: pixels     mean, std: of the channels, 0..1     model_type: as the hub names the family
    """

    folder: Path
    model_type: str
    side: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    @classmethod
    def read(cls, folder: Path) -> HubBackbone:
        """From its two JSON files. Raises InvalidBackbone."""
        config = _object(folder / CONFIG)
        if not isinstance(model_type := config.get("model_type"), str):
            raise InvalidBackbone(f"{folder / CONFIG} names no model_type; is it a backbone of the hub?")
        if not any(folder.glob(WEIGHTS)):
            raise InvalidBackbone(
                f"{folder} has no {WEIGHTS}; other formats are not read: a pickle may run programs"
            )
        processor = _object(folder / PROCESSOR) if (folder / PROCESSOR).exists() else {}
        wanted = processor.get("crop_size") if processor.get("do_center_crop", True) else None
        side = _side(wanted) or _side(processor.get("size")) or _side(config.get("image_size")) or USUAL_SIDE
        patch = config.get("patch_size")
        step = patch if isinstance(patch, int) and patch > 0 else 1
        return cls(
            folder=folder,
            model_type=model_type,
            side=max(1, side // step) * step,
            mean=_channels(processor.get("image_mean"), IMAGENET_MEAN, folder),
            std=_channels(processor.get("image_std"), IMAGENET_STD, folder),
        )

    def told(self) -> dict[str, Any]:
        """What a model's card says of it: name, family, and the SHA-256 of its weights."""
        digest = hashlib.sha256()
        for file in sorted(self.folder.glob(WEIGHTS)):
            digest.update(hashlib.sha256(file.read_bytes()).digest())
        name = self.folder.name.replace("--", "/", 1)
        return {"name": name, "model_type": self.model_type, "side": self.side, "digest": digest.hexdigest()}

    @property
    def size(self) -> Size:
        """How large images are seen: always as the backbone learned to see them."""
        return Size(self.side, self.side, ((1.0, 1.0),), EPOCHS, BATCH, step=self.side, margin=MARGIN)


def is_own_model(folder: Path) -> bool:
    """Whether these are the weights of an earlier model of ours."""
    return (folder / OWN_WEIGHTS).is_file()


def holds_weights(folder: Path) -> bool:
    """Whether a training can start from what is in this folder, by the names of its files."""
    return is_own_model(folder) or (folder / CONFIG).is_file()


def folder_of(backbones: Path, identifier: str) -> Path:
    """Where a fetched backbone lies. Raises InvalidBackbone for what cannot be a repository's name."""
    parts = identifier.split("/")
    if len(parts) != 2 or not all(part.replace("-", "").replace("_", "").replace(".", "") for part in parts):
        raise InvalidBackbone(
            f"{identifier!r} is no name of the hub: OWNER/NAME, such as facebook/dinov2-small"
        )
    if set(identifier) & set("\\:?*\0"):
        raise InvalidBackbone(f"{identifier!r} has characters that no name of the hub has")
    return backbones.joinpath("--".join(parts))


def fetched(backbones: Path) -> dict[str, Path]:
    """Folders of the backbones that were fetched, by name, the last one first."""
    folders = [folder for folder in backbones.glob("*--*") if (folder / CONFIG).is_file()]
    folders.sort(key=lambda folder: ((folder / CONFIG).stat().st_mtime, folder.name), reverse=True)
    return {folder.name.replace("--", "/", 1): folder for folder in folders if folder.suffix != PART}


def fetch(identifier: str, backbones: Path) -> HubBackbone:
    """Bring a backbone from the hub into its folder; whole or not at all. Raises InvalidBackbone."""
    target = folder_of(backbones, identifier)
    try:
        import huggingface_hub
        from huggingface_hub.constants import ENDPOINT
        from huggingface_hub.errors import HfHubHTTPError
    except ImportError as error:
        raise InvalidBackbone("fetching needs transformers: pip install 'customlabels[hub]'") from error
    unfinished = target.with_name(target.name + PART)
    shutil.rmtree(unfinished, ignore_errors=True)  # of a fetch that was cut off
    if (trouble := _trouble(ENDPOINT)) is not None:
        raise InvalidBackbone(
            f"the hub cannot be reached ({trouble}). Fetch where it can be, and copy the folder to {target}; "
            "or train without: our own networks need no download"
        )
    try:
        huggingface_hub.snapshot_download(
            identifier, local_dir=unfinished, allow_patterns=[CONFIG, PROCESSOR, WEIGHTS, "LICENSE*"]
        )
    except HfHubHTTPError as error:
        raise InvalidBackbone(f"the hub refuses {identifier}: {str(error).splitlines()[0]}") from error
    except OSError as error:
        raise InvalidBackbone(f"{identifier} was not fetched whole: {error}; fetch it again") from error
    found = HubBackbone.read(unfinished)
    (unfinished / CONFIG).touch()
    shutil.rmtree(unfinished / ".cache", ignore_errors=True)
    shutil.rmtree(target, ignore_errors=True)
    unfinished.rename(target)
    return replace(found, folder=target)


def _trouble(address: str) -> str | None:
    """Why the hub cannot be reached; None where it answers, whatever it says.

    Asked before the library is, which would try again and again for half a minute.
    """
    question = urllib.request.Request(address, method="HEAD")  # noqa: S310 - the library's own setting
    try:
        urllib.request.urlopen(question, timeout=CONNECT_SECONDS).close()  # noqa: S310 - as above
    except urllib.error.HTTPError as answer:
        answer.close()
    except (OSError, ValueError) as error:
        return str(getattr(error, "reason", error))
    return None


def _object(path: Path) -> Mapping[str, Any]:
    try:
        value = json.loads(path.read_bytes())
    except OSError as error:
        raise InvalidBackbone(
            f"{path} cannot be read ({error.strerror}); name a folder that transformers "
            "saved, or one of our models'"
        ) from error
    except ValueError as error:
        raise InvalidBackbone(f"{path} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise InvalidBackbone(f"{path} is not a JSON object")
    return value


def _side(value: Any) -> int | None:
    """Pixels, however they are written: a number, the height, or the shortest edge."""
    if isinstance(value, Mapping):
        value = value.get("height", value.get("shortest_edge"))
    return value if isinstance(value, int) and 16 <= value <= 1024 else None


def _channels(value: Any, usual: tuple[float, float, float], folder: Path) -> tuple[float, float, float]:
    if value is None:
        return usual
    try:
        red, green, blue = (float(channel) for channel in value)
    except (TypeError, ValueError) as error:
        raise InvalidBackbone(
            f"{folder / PROCESSOR}: {value!r} are no three numbers of the channels"
        ) from error
    return red, green, blue
