"""A pretrained backbone at work: a linear answer on its features, and a start to learn from.

Layer: training (torch, transformers). Features are extracted once, part by part, and kept in the work folder.
The answer on them is ridge regression on rows of 0 and 1: it has a closed form, and so has what it would say
of an image that was left out, by which its strength is chosen. Learning on starts from this answer (Kumar et
al. 2022: a random head would spoil the features first); what is better on held-out images is served.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from customlabels.training.checkpoints import read_tensors, write_tensors
from customlabels.training.copies import copies_of
from customlabels.training.hub import HubBackbone
from customlabels.training.learning import Images
from customlabels.training.network import MEAN, STD, normalised
from customlabels.training.plan import CPU, GPU
from customlabels.training.spec import TrainingFailed
from customlabels.training.workfolder import read_json, write_json

STRENGTHS = tuple(float(strength) for strength in np.geomspace(1e-2, 1e4, 7))  # of the ridge, that are tried
CONFIDENCE = 8.0  # of a start to learn from: its scores lie between 0 and 1, and logits should not
AT_ONCE = 128  # images in one part: what a kill costs


class Features(nn.Module):
    """Images, normalised as our own nets take them, to the backbone's features (n, features)."""

    def __init__(self, backbone: nn.Module, wants: HubBackbone) -> None:
        super().__init__()
        self.backbone = backbone
        ours, theirs = torch.tensor([MEAN, STD]), torch.tensor([wants.mean, wants.std])
        self.register_buffer("scale", (ours[1] / theirs[1]).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("shift", ((ours[0] - theirs[0]) / theirs[1]).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        pixels = images * self.get_buffer("scale") + self.get_buffer("shift")
        said = self.backbone(pixel_values=pixels, return_dict=True).last_hidden_state
        if said.ndim == 4:  # maps of a convolutional net
            return torch.as_tensor(said.mean(dim=(2, 3)))
        # The token of the whole, and the parts.
        return torch.cat([said[:, 0], said[:, 1:].mean(dim=1)], dim=1)


class Pretrained(nn.Module):
    """Features and a linear head: logits, one a label."""

    def __init__(self, features: nn.Module, width: int, labels: int) -> None:
        super().__init__()
        self.features, self.head = features, nn.Linear(width, labels)

    def forward(self, images: Tensor) -> Tensor:
        """images: (n, 3, side, side) float, normalised as for our nets."""
        logits: Tensor = self.head(self.features(images))
        return logits


class FrozenAnswer(nn.Module):
    """The features as they came, and the linear answer on them; images as they are, 0..255."""

    def __init__(self, features: nn.Module, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.features = features
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)

    def forward(self, images: Tensor) -> Tensor:
        """(n, labels), near 0.5 for the label, else near -0.5."""
        said: Tensor = self.features(normalised(images)) @ self.get_buffer("weight") + self.get_buffer("bias")
        return said


def features_net(wants: HubBackbone) -> tuple[Features, int]:
    """The backbone with its weights, and how many features it gives. Raises TrainingFailed."""
    try:
        import transformers
    except ImportError as error:
        text = "a backbone of the hub needs transformers: pip install 'customlabels[hub]'"
        raise TrainingFailed("TRAINING_SETUP", text) from error
    logging: Any = transformers.utils.logging
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        model: Any = transformers.AutoModel.from_pretrained(
            wants.folder,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            dtype=torch.float32,
            attn_implementation="eager",  # the fused one is not exported
        )
        net = Features(getattr(model, "vision_model", model), wants).eval()
        with torch.inference_mode():
            width = net(torch.zeros(1, 3, wants.side, wants.side)).shape[1]
    except Exception as error:  # configurations of the hub fail in as many ways as there are models
        text = f"the backbone in {wants.folder} ({wants.model_type}) cannot be used for images: {error}"
        raise TrainingFailed("TRAINING_SETUP", text) from error
    return net, width


def extracted(net: Features, images: Images, count: int, side: int, folder: Path) -> Tensor:
    """(count, features) of the middle of the stored images, from their files or extracted now, part by part.

    bfloat16 where the first images show it to be faster here; which way is kept, so that a resumed training
    does not see other bits.
    """
    folder.mkdir(exist_ok=True)
    net.to(GPU if torch.cuda.is_available() else CPU)
    way = folder / "way.json"
    if (stored := read_json(way)) is None:
        some = _middles(images(np.arange(min(count, 4))), side)
        seconds = {bfloat16: _seconds(net, some, bfloat16) for bfloat16 in (False, True)}
        stored = {"bfloat16": seconds[True] < seconds[False]}
        write_json(way, stored)
    parts = []
    for start in range(0, count, AT_ONCE):
        file = folder / f"{start:08}.safetensors"
        if not file.exists():
            places = np.arange(start, min(start + AT_ONCE, count))
            write_tensors(file, {"features": _said(net, _middles(images(places), side), **stored)}, {})
        parts.append(read_tensors(file)[0]["features"])
    net.to(CPU)
    return torch.cat(parts)


def ridge_head(features: Tensor, carried: NDArray[np.bool_], strength: float) -> tuple[Tensor, Tensor]:
    """Weight (features, labels) and bias (labels,) of the linear answer, near 0.5 for a label, else -0.5."""
    mean, deviation = _moments(features)
    left, values, right = _decomposed(features)
    targets = torch.from_numpy(carried).double() - 0.5
    shrunk = values / (values.square() + strength)
    weight = (right.T * shrunk) @ (left.T @ (targets - targets.mean(0)))
    weight = (weight / deviation.double()[:, None]).float()
    return weight, (targets.mean(0).float() - mean @ weight)


def said_when_left_out(
    features: Tensor, carried: NDArray[np.bool_], originals: NDArray[np.int64] | None = None
) -> tuple[float, Tensor]:
    """The strength with the least error on left-out images, and what is said of each: (n, labels).

    originals: (n,) of each image the one it is a copy of, itself for others; copies are left out together
    """
    left, values, _ = _decomposed(features)
    targets = torch.from_numpy(carried).double() - 0.5
    centred = targets - targets.mean(0)
    groups = [] if originals is None else copies_of(originals)
    best: tuple[float, float, Tensor] | None = None
    for strength in STRENGTHS:
        kept = values.square() / (values.square() + strength)
        fitted = (left * kept) @ (left.T @ centred)
        leverage = ((left.square() * kept).sum(1) + 1 / len(features)).clamp_max(1 - 1e-6)
        missing = (centred - fitted) / (1 - leverage)[:, None]
        for copies in groups:
            shared = (left[copies] * kept) @ left[copies].T + 1 / len(features)
            own = (1 + 1e-6) * torch.eye(len(copies), dtype=shared.dtype) - shared
            missing[copies] = torch.linalg.solve(own, (centred - fitted)[copies])
        error = float(missing.square().mean())
        if best is None or error < best[0]:
            best = error, strength, (targets - missing).float()
    assert best is not None
    return best[1], best[2]


def start_of(features: Tensor, carried: NDArray[np.bool_], strength: float) -> dict[str, Tensor]:
    """The weights of a head to learn from."""
    weight, bias = ridge_head(features, carried, strength)
    return {"head.weight": CONFIDENCE * weight.T.contiguous(), "head.bias": CONFIDENCE * bias}


def _moments(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation of each feature."""
    return features.mean(0), features.std(0).clamp_min(1e-6)


def _decomposed(features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The singular vectors and values of the features, each brought to mean 0 and deviation 1."""
    mean, deviation = _moments(features)
    left, values, right = torch.linalg.svd(((features - mean) / deviation).double(), full_matrices=False)
    return left, values, right


def _middles(images: NDArray[np.uint8], side: int) -> Tensor:
    """(n, side, side, 3) whole images: they are stored a little larger, for random views."""
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float()
    small = nn.functional.interpolate(pixels, (side, side), mode="bilinear", antialias=True)
    return small.round().permute(0, 2, 3, 1)


def _said(net: Features, images: Tensor, bfloat16: bool) -> Tensor:
    device = net.get_buffer("scale").device
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=bfloat16):
        said = [net(normalised(part.to(device))).float().cpu() for part in torch.split(images, 16)]
    return torch.cat(said)


def _seconds(net: Features, images: Tensor, bfloat16: bool) -> float:
    _said(net, images, bfloat16)
    began = time.perf_counter()
    _said(net, images, bfloat16)
    return time.perf_counter() - began
