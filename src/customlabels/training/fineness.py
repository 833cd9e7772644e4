"""How finely images have to be seen: what tells the labels apart may be smaller than the usual pixels show.

Layer: training (torch). Weaves, scratches and leaves differ in details that a photograph of 96 pixels has
lost; of most other things more pixels show nothing new, and cost by their number. Before the first step, the
weights that come with the package say which it is: by ridge regression on their features at each side, judged
on images left out. Measured, share of 150 to 240 images named right at 96, 192 and 288 pixels: drawn weaves
0.54, 0.89, 1.00; clothes 0.64, 0.57, 0.54.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from customlabels.training.network import Classifier, normalised
from customlabels.training.plan import FINER_SIDES, Size
from customlabels.training.pretrained import said_when_left_out
from customlabels.training.starting import DRAWN, read_but_labels

# From which a larger side is worth its price: standard errors of what it gains, and a share of the images.
CLEAR, LEAST_MISTAKEN = 3.0, 0.02
LEAST_LOOKS = 15  # at each image that there must be time for
AT_ONCE = 16  # images; bounds memory


@dataclass(frozen=True, eq=False)
class _Seen:
    """What some images show at one side.

    errors: (n,) squares of what is said wrongly of each     mistaken: share of images with a wrong label
    seconds: for one image
    """

    side: int
    errors: NDArray[np.float64]
    mistaken: float
    seconds: float

    def is_clearly_worse(self, best: _Seen) -> bool:
        """Whether the labels are told apart less well than at the best side, by more than chance."""
        more = self.errors - best.errors
        clear = more.mean() > CLEAR * more.std() / np.sqrt(len(more))
        return bool(clear) and self.mistaken - best.mistaken >= LEAST_MISTAKEN


def fine_enough(
    usual: Size, pixels: NDArray[np.uint8], carried: NDArray[np.bool_], images: int, budget: float
) -> int:
    """The smallest side, in pixels, that tells the labels apart as well as any, and that there is time for.

    pixels: (n, side, side, 3) uint8, some of the images at the largest side in question
    carried: (n, labels) bool     images: to learn from, in all     budget: seconds
    """
    net, chosen = _drawn(), list[_Seen]()
    for side in (usual.height, *(side for side in FINER_SIDES if usual.height < side <= pixels.shape[1])):
        seen = _seen(net, side, pixels, carried)
        # To learn from an image, in half precision and growing, takes about as long as to look at it.
        if chosen and seen.seconds * images * LEAST_LOOKS > budget:
            break
        chosen.append(seen)
    best = min(chosen, key=lambda seen: float(seen.errors.mean()))
    return next(seen.side for seen in chosen if not seen.is_clearly_worse(best))


def _seen(net: Classifier, side: int, pixels: NDArray[np.uint8], carried: NDArray[np.bool_]) -> _Seen:
    began, features = time.perf_counter(), []
    with torch.inference_mode():
        for part in torch.split(torch.from_numpy(pixels), AT_ONCE):
            maps = part.permute(0, 3, 1, 2).float()
            small = nn.functional.interpolate(maps, (side, side), mode="bilinear", antialias=True)
            features.append(_features(net, normalised(small.permute(0, 2, 3, 1))))
    seconds = (time.perf_counter() - began) / len(pixels)
    _, said = said_when_left_out(torch.cat(features), carried)
    errors = np.square(said.numpy() - (carried - 0.5)).sum(axis=1).astype(np.float64)
    single = bool((carried.sum(axis=1) == 1).all())
    found = np.eye(carried.shape[1])[said.argmax(dim=1)] > 0 if single else said.numpy() > 0
    mistaken = float((found != carried).any(axis=1).mean())
    return _Seen(side, errors, mistaken, seconds)


def _features(net: Classifier, images: Tensor) -> Tensor:
    """(n, features): means of the maps after the stem and after each stage; textures show in early ones."""
    maps, means = net.stem(images), []
    for stage in (nn.Identity(), *net.stages):
        maps = stage(maps)
        means.append(maps.mean(dim=(2, 3)))
    return torch.cat(means, dim=1)


def _drawn() -> Classifier:
    """The net with the weights that come with the package."""
    net = Classifier(1).eval()
    kept, _digest = read_but_labels(DRAWN / "labels.safetensors")
    net.load_state_dict({**net.state_dict(), **kept})
    return net
