"""Train a net: ``python -m imgcrypt.nets.train fclbcnn --rate 0.18 --data DIR --data DIR --out FOLDER``.

Writes ``checkpoint.pt`` about once a minute and ``record.json`` beside it. The same command continues
where a stopped one left off. Every batch depends on the seed and its step alone.
"""

from __future__ import annotations

import copy
import json
import math
import os
import subprocess
import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from torch import Tensor, nn

from imgcrypt.nets import data
from imgcrypt.nets.fclbcnn import BLOCK, Fclbcnn, warm_start

COLOR_SHAPES = {0.08: (3, 30), 0.10: (3, 36), 0.18: (3, 64)}
"""Rate -> grid and depth of a net for color; on gray pictures its rate is three times that."""
GRAY_SHAPES = {0.01: (1, 10), 0.04: (1, 43), 0.10: (3, 12)}
"""Rate -> grid and depth of a net for gray alone."""
GRAY_SHARE = 0.25
"""Share of gray crops in the training of a net for color, so that it serves both kinds of picture."""
CROP = 3 * BLOCK
BATCH = 16
LEARNING_RATE = 1e-3
LINEAR_SHARE = 0.03
"""Of the learning rate, for the layers that warm_start solves: Adam's noise would undo the solution."""
AVERAGING = 0.999
"""Decay of the exponential moving average of the weights, which is what gets validated and exported."""
LARGEST_GRADIENT = 0.05
"""Norm to which a rare steep batch is cut back, some times the usual one."""
HOLD_OUT = 20
"""Every so manyth picture is kept for validation."""


def build(net: str, rate: float, gray: bool) -> Fclbcnn:
    """An untrained net of this name and rate, for color or for gray pictures alone."""
    if net != "fclbcnn":
        raise typer.BadParameter(f"no net is called {net!r}; the one to train is 'fclbcnn'")
    shapes = GRAY_SHAPES if gray else COLOR_SHAPES
    if rate not in shapes:
        raise typer.BadParameter(f"rate {rate} is not served; choose one of {', '.join(map(str, shapes))}")
    grid, depth = shapes[rate]
    return Fclbcnn(grid, depth)


def main(
    net: Annotated[str, typer.Argument(help="fclbcnn")],
    folders: Annotated[list[Path], typer.Option("--data", help="folder of pictures; may be given again")],
    out: Annotated[Path, typer.Option(help="folder for the checkpoint and the record")],
    rate: Annotated[float, typer.Option(help="measurements per sample")] = 0.18,
    gray: Annotated[bool, typer.Option("--gray", help="for gray pictures alone")] = False,
    steps: Annotated[int, typer.Option(help="batches in all")] = 40_000,
    seed: Annotated[int, typer.Option()] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda")] = "auto",
) -> None:
    """Train NET on every picture in the folders given, or go on where the last run into OUT stopped."""
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    else:
        torch.device(device)
    torch.manual_seed(seed)
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    model = build(net, rate, gray)
    pictures = data.load(folders, CROP)
    if len(pictures) < 2:
        raise typer.BadParameter(f"the folders hold {len(pictures)} pictures of {CROP} pixels a side; give at least 2")
    held = pictures[::HOLD_OUT]
    pictures = [picture for i, picture in enumerate(pictures) if i % HOLD_OUT]
    share = 1.0 if gray else GRAY_SHARE
    out.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(model, device, steps)
    checkpoint = out / "checkpoint.pt"
    if checkpoint.exists():
        trainer.load(checkpoint)
        print(f"going on from step {trainer.step}")
    else:
        warm_start(model, data.crops(pictures, 1500, CROP, share, np.random.default_rng([seed, steps])).contiguous())
        trainer.average.load_state_dict(model.state_dict())
    record = {
        "net": net,
        "rate": rate,
        "gray": gray,
        "pictures": len(pictures),
        "command": _command(net, folders, rate, gray, steps, seed),
        "commit": _commit(),
        "device": device,
        "torch": torch.__version__,
    }
    saved = time.monotonic()
    while trainer.step < steps:
        loss = trainer.train(data.crops(pictures, BATCH, CROP, share, np.random.default_rng([seed, trainer.step])))
        if trainer.step % 100 == 0:
            print(f"step {trainer.step}/{steps} loss {loss:.6f}", flush=True)
        if time.monotonic() - saved > 60 or trainer.step == steps:
            color, gray = trainer.validate(held)
            print(f"step {trainer.step}/{steps} validation {color:.2f} dB color, {gray:.2f} dB gray", flush=True)
            trainer.seconds += time.monotonic() - saved
            saved = time.monotonic()
            trainer.curve.append((trainer.step, round(color, 3), round(gray, 3)))
            trainer.save(checkpoint)
            record |= {"steps": trainer.step, "seconds": round(trainer.seconds), "curve": trainer.curve}
            (out / "record.json").write_text(json.dumps(record, indent=1) + "\n")


class Trainer:
    """A net, its moving average, its optimizer and how far they are."""

    def __init__(self, net: Fclbcnn, device: str, steps: int) -> None:
        self.net = net.to(device, memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.net).requires_grad_(False)
        self.device, self.steps, self.step, self.seconds = device, steps, 0, 0.0
        self.curve: list[tuple[int, float, float]] = []
        # bfloat16 convolutions are several times faster on a CPU that has them, slower on one that does not.
        self.mixed = device == "cuda" or torch.cpu._is_avx512_bf16_supported()
        linear = ("sampler.cells.", "reconstructor.colors.")
        weights = list(net.named_parameters())
        self.optimizer = torch.optim.Adam(
            [
                {"params": [p for name, p in weights if name.startswith(linear)], "share": LINEAR_SHARE},
                {"params": [p for name, p in weights if not name.startswith(linear)], "share": 1.0},
            ]
        )

    def train(self, batch: Tensor) -> float:
        """One step on (N, 3, H, W): the loss, mean squared error."""
        rate = LEARNING_RATE * (0.5 + 0.5 * math.cos(math.pi * self.step / self.steps)) * min(1, self.step / 200)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["share"]
        batch = batch.to(self.device)
        measurements = self.net.measure(batch)
        with torch.autocast(self.device, torch.bfloat16, enabled=self.mixed):
            rebuilt = self.net.rebuild(measurements)
        loss = nn.functional.mse_loss(rebuilt.float(), batch)
        # Quantization passes the gradient as if it did not clip, so something must hold measurements in range.
        outside = (measurements - measurements.clamp(0, 1)).square().mean()
        self.optimizer.zero_grad()
        (loss + outside).backward()
        nn.utils.clip_grad_norm_(self.net.parameters(), LARGEST_GRADIENT)
        self.optimizer.step()
        self.step += 1
        with torch.no_grad():
            for mean, weights in zip(self.average.parameters(), self.net.parameters(), strict=True):
                mean.lerp_(weights, 1 - AVERAGING)
        return loss.item()

    @torch.no_grad()
    def validate(self, pictures: list[Any]) -> tuple[float, float]:
        """Mean PSNR in dB of the averaged net, on 8-bit pictures: color, and gray as the mean of 3 channels."""
        color, gray = [], []
        for picture in pictures:
            height, width = (length // BLOCK * BLOCK for length in picture.shape[:2])
            picture = picture[:height, :width]
            pair = data.to_tensor(np.stack([picture, data.gray(picture)])).to(self.device)
            rebuilt = self.average(pair)
            rebuilt[1] = rebuilt[1].mean(0)
            rebuilt = (rebuilt.clamp(0, 1) * 255).round() / 255
            errors = (rebuilt - pair).square().mean((1, 2, 3))
            color.append(-10 * errors[0].log10().item())
            gray.append(-10 * errors[1].log10().item())
        return float(np.mean(color)), float(np.mean(gray))

    def save(self, path: Path) -> None:
        """Write everything needed to go on, atomically."""
        state = {
            "net": self.net.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "curve": self.curve,
        }
        torch.save(state, path.with_suffix(".new"))
        path.with_suffix(".new").replace(path)

    def load(self, path: Path) -> None:
        """Go back to what :meth:`save` wrote."""
        state = torch.load(path, map_location=self.device, weights_only=True)
        self.net.load_state_dict(state["net"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds, self.curve = state["step"], state["seconds"], state["curve"]


def _command(net: str, folders: list[Path], rate: float, gray: bool, steps: int, seed: int) -> str:
    """The command to repeat this training, the folders cut to names that mean something elsewhere."""
    names = " ".join(f"--data {folder.resolve().parent.name}/{folder.name}" for folder in folders)
    kind = " --gray" if gray else ""
    return f"python -m imgcrypt.nets.train {net} --rate {rate}{kind} {names} --steps {steps} --seed {seed}"


def _commit() -> str:
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=Path(__file__).parent, capture_output=True, text=True
    )
    return described.stdout.strip() or "unknown"


if __name__ == "__main__":
    typer.run(main)
