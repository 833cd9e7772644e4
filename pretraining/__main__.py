"""Teaches our own nets on drawn images, and writes the weights that the package ships.

    python -m pretraining FOLDER [--classifier SECONDS] [--detector SECONDS] [--device cuda]

The classifier is asked which shape an image shows, of which texture, on which ground; the detector where each
of the shapes is. What they learn to answer is thrown away, all below is kept, as 16-bit floats. The rate of
learning follows the clock, so that a machine is used for exactly the time it is there; steps and images are
written beside the weights.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from pretraining.drawing import World
from pretraining.scenes import framed, labelled
from safetensors.torch import save_file
from torch import Generator, Tensor, nn
from torch.nn import functional

from customlabels.training.assignment import TrueBoxes, box_loss
from customlabels.training.detector import Detector
from customlabels.training.network import Classifier, normalised
from customlabels.training.optimiser import AdamW

SHAPES, TEXTURES = 512, 512
WORLD_SEED = 2026
RATE, WARM_UP = 2e-3, 0.03
SIDES = (64, 80, 96, 128)  # pixels, of the classifier's images, in turn
PIXELS = 1024 * 96 * 96  # of the images of one step
FRAMES = ((256, 320), (320, 256), (224, 224), (192, 320))  # height and width of the detector's, in turn
FRAME_PIXELS = 96 * 256 * 320

Figures = dict[str, Tensor]
Loss = Callable[[Any, Any], tuple[Tensor, Figures]]
Task = tuple[Callable[[], nn.Module], Callable[[World, float, Generator], Iterator[tuple[Tensor, Any]]], Loss]


def main() -> None:
    """Teach what is asked for."""
    parser = argparse.ArgumentParser(description="Teach our own nets on drawn images.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--classifier", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument("--detector", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--share", type=float, default=1.0, help="of the usual images a step")
    parser.add_argument("--seed", type=int, default=0)
    wanted = parser.parse_args()
    torch.set_default_device(wanted.device)
    torch.backends.cudnn.benchmark = True
    wanted.folder.mkdir(parents=True, exist_ok=True)
    world = World.drawn(SHAPES, TEXTURES, Generator(wanted.device).manual_seed(WORLD_SEED))
    random = Generator(wanted.device).manual_seed(wanted.seed)
    tasks: dict[str, Task] = {
        "classifier": (lambda: Classifier(SHAPES + 2 * TEXTURES, small=True), _labelled, _label_loss),
        "detector": (lambda: Detector(SHAPES), _framed, _frame_loss),
    }
    for name, (net, batches, loss_of) in tasks.items():
        if seconds := getattr(wanted, name):
            torch.manual_seed(wanted.seed)
            _taught(net(), batches(world, wanted.share, random), loss_of, seconds, wanted.folder / name)


def _taught(
    net: nn.Module, batches: Iterator[tuple[Tensor, Any]], loss_of: Loss, seconds: float, path: Path
) -> None:
    """Learn for so long; the weights are written each quarter of a minute, and at the end."""
    net.train()
    for weight in net.parameters():
        if weight.ndim == 4:
            weight.data = weight.data.contiguous(memory_format=torch.channels_last)
    optimiser = AdamW(net)
    device = next(net.parameters()).device.type
    began, told, seen, step = time.monotonic(), 0.0, 0, 0
    average: dict[str, float] = {}
    for images, truth in batches:
        share = (time.monotonic() - began) / seconds
        if share >= 1:
            break
        rate = min(share / WARM_UP + 0.02, 1.0) * (0.5 + 0.5 * math.cos(math.pi * share))
        with torch.autocast(device, torch.bfloat16):
            said = net(normalised(images).contiguous(memory_format=torch.channels_last))
        loss, figures = loss_of(said, truth)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step(RATE * rate)
        step, seen = step + 1, seen + len(images)
        if step % 25 == 0:
            for name, value in figures.items():
                average[name] = 0.9 * average.get(name, float(value)) + 0.1 * float(value)
        if time.monotonic() - told > 15:
            told = time.monotonic()
            shown = ", ".join(f"{name} {value:.3f}" for name, value in average.items())
            print(f"{path.name} {told - began:.0f} s, step {step}, {seen:,} images: {shown}", flush=True)
            _write(net, path, step, seen, told - began)
    _write(net, path, step, seen, time.monotonic() - began)


def _write(net: nn.Module, path: Path, step: int, seen: int, seconds: float) -> None:
    kept = {
        name: value.detach().half().cpu().contiguous() if value.is_floating_point() else value.cpu()
        for name, value in net.state_dict().items()
        if not name.startswith("head.")
    }
    told = {"steps": step, "images": seen, "seconds": round(seconds), "shapes": SHAPES, "textures": TEXTURES}
    save_file(kept, path.with_suffix(".part"), metadata={"told": json.dumps(told)})
    path.with_suffix(".part").replace(path.with_suffix(".safetensors"))


def _labelled(world: World, share: float, random: Generator) -> Iterator[tuple[Tensor, Tensor]]:
    """Images (k, side, side, 3) 0..255 with (3, k): the shape, its texture, the ground's."""
    turn = 0
    while True:
        side = SIDES[turn % len(SIDES)]
        turn += 1
        yield labelled(world, max(2, round(share * PIXELS / side**2)), side, random)


def _label_loss(said: Tensor, truth: Tensor) -> tuple[Tensor, Figures]:
    parts = torch.split(said.float(), [SHAPES, TEXTURES, TEXTURES], dim=1)
    losses = [
        functional.cross_entropy(logits, each, label_smoothing=0.05)
        for logits, each in zip(parts, truth, strict=True)
    ]
    right = [(logits.argmax(1) == each).float().mean() for logits, each in zip(parts, truth, strict=True)]
    figures = dict(zip(("shape", "texture", "ground"), right, strict=True))
    return losses[0] + 0.5 * losses[1] + 0.25 * losses[2], {"loss": losses[0].detach(), **figures}


def _framed(world: World, share: float, random: Generator) -> Iterator[tuple[Tensor, TrueBoxes]]:
    turn = 0
    while True:
        height, width = FRAMES[turn % len(FRAMES)]
        turn += 1
        yield framed(world, max(2, round(share * FRAME_PIXELS / height / width)), (height, width), random)


def _frame_loss(said: tuple[Tensor, Tensor], truth: TrueBoxes) -> tuple[Tensor, Figures]:
    loss = box_loss(*said, truth)
    return loss, {"loss": loss.detach()}


if __name__ == "__main__":
    main()
