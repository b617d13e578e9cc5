"""Train a net: ``python -m imgcrypt.nets.train fclbcnn --rate 0.18 --data DIR --data DIR --out FOLDER``.

Writes ``checkpoint.pt`` every minute or so and ``record.json`` beside it. The same command with ``--resume``
continues where a stopped one left off. Every batch depends on the seed and its step alone; the learning rate
too, unless ``--minutes`` ends the training first.
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

from imgcrypt.errors import NetError
from imgcrypt.nets import data
from imgcrypt.nets.registry import NETS, Model, build

LEARNING_RATE = 1e-3
LINEAR_SHARE = 0.03
"""Of the learning rate, for the layers that warm_start solves: Adam's noise would undo the solution."""
AVERAGING = 0.999
"""Decay of the exponential moving average of the weights, which is what gets validated and exported.

Less at first, so that a short training does not drag its start along.
"""
PAUSE = 60.0
"""Seconds between two validations, each with its checkpoint, or more where they are slow."""
HOLD_OUT = 20
"""Every so manyth picture is kept for validation."""


def main(
    net: Annotated[str, typer.Argument(help=", ".join(NETS))],
    folders: Annotated[list[Path], typer.Option("--data", help="folder of pictures; may be given again")],
    out: Annotated[Path, typer.Option(help="folder for the checkpoint and the record")],
    rate: Annotated[float, typer.Option(help="measurements per sample; of nets of one rate")] = 0.18,
    gray: Annotated[bool, typer.Option("--gray", help="for gray pictures alone")] = False,
    steps: Annotated[int, typer.Option(min=1, help="batches in all")] = 40_000,
    batch: Annotated[int, typer.Option(min=1, help="crops in each")] = 16,
    seed: Annotated[int, typer.Option()] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda")] = "auto",
    minutes: Annotated[
        float, typer.Option(min=0.01, help="end after this wall time, if the steps take longer")
    ] = math.inf,
    threads: Annotated[int, typer.Option(min=0, help="of PyTorch; 0: as many as there are cores")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="go on where the last run into OUT stopped")] = False,
) -> None:
    """Train NET on every picture in the folders given."""
    device = _device(device)
    torch.manual_seed(seed)
    torch.set_num_threads(threads or len(os.sched_getaffinity(0)))
    checkpoint = out / "checkpoint.pt"
    if checkpoint.exists() and not resume:
        raise typer.BadParameter(f"{out} holds a training; go on with it by --resume, or give another --out")
    try:
        model = build(net, rate, gray)
    except NetError as error:
        raise typer.BadParameter(str(error)) from None
    trainer = Trainer(model, device, steps, minutes)
    side = trainer.net.CROP
    pictures = data.load(folders, side)
    if len(pictures) < 2:
        raise typer.BadParameter(f"the folders hold {len(pictures)} pictures of {side} pixels a side; give at least 2")
    held = pictures[::HOLD_OUT]
    pictures = [picture for i, picture in enumerate(pictures) if i % HOLD_OUT]
    share = 1.0 if gray else trainer.net.GRAY_SHARE
    out.mkdir(parents=True, exist_ok=True)
    if checkpoint.exists():
        try:
            trainer.load(checkpoint)
        except RuntimeError:  # what PyTorch raises for weights of other names or shapes
            raise typer.BadParameter(f"{out} holds a training of another net; give another --out") from None
        print(f"going on from step {trainer.step}", flush=True)
    else:
        examples = data.crops(pictures, trainer.net.WARM_CROPS, side, share, np.random.default_rng([seed, steps]))
        trainer.net.warm_start(examples.to(device).contiguous())
        trainer.average.load_state_dict(trainer.net.state_dict())
    record = {
        "net": net,
        "rate": rate,
        "gray": gray,
        "pictures": len(pictures),
        "command": _command(net, folders, rate, gray, steps, batch, seed, minutes),
        "commit": _commit(),
        "device": device,
        "torch": torch.__version__,
    }
    saved, pause = time.monotonic(), PAUSE
    while trainer.progress < 1:
        loss = trainer.train(data.crops(pictures, batch, side, share, np.random.default_rng([seed, trainer.step])))
        if time.monotonic() - saved > pause or trainer.progress >= 1:
            started = time.monotonic()
            psnr = trainer.validate(held)
            print(
                f"step {trainer.step}/{steps}, {trainer.progress:.0%} done: loss {loss:.6f}, validation "
                + ", ".join(f"{value:.2f} dB {name}" for name, value in psnr.items()),
                flush=True,
            )
            trainer.curve.append((trainer.step, psnr))
            trainer.save(checkpoint)
            saved = time.monotonic()
            pause = max(PAUSE, 9 * (saved - started))  # a tenth of the time at most goes into validation
            record |= {"steps": trainer.step, "seconds": round(trainer.seconds), "curve": trainer.curve}
            (out / "record.json").write_text(json.dumps(record, indent=1) + "\n")


class Trainer:
    """A net, its moving average, its optimizer and how far they are."""

    def __init__(self, net: Model, device: str, steps: int, minutes: float = math.inf) -> None:
        self.net = net.to(device, memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.net).requires_grad_(False).eval()
        self.device, self.steps, self.minutes, self.step = device, steps, minutes, 0
        self._started = time.monotonic()
        self.curve: list[tuple[int, dict[str, float]]] = []
        # bfloat16 convolutions are several times faster on a CPU that has them, slower on one that does not.
        self.mixed = device == "cuda" or torch.cpu._is_avx512_bf16_supported()
        weights = [(name, p) for name, p in net.named_parameters() if p.requires_grad]
        self.optimizer = torch.optim.Adam(
            [
                {"params": [p for name, p in weights if name.startswith(net.LINEAR)], "share": LINEAR_SHARE},
                {"params": [p for name, p in weights if not name.startswith(net.LINEAR)], "share": 1.0},
            ]
        )

    @property
    def seconds(self) -> float:
        """Wall time of the training, earlier runs into the same checkpoint counted in."""
        return time.monotonic() - self._started

    @property
    def progress(self) -> float:
        """How much of the training is done, by steps or by wall time, whichever is further; at 1 it ends.

        The learning rate follows this, so that it has come down to nothing at the end, whichever end it is.
        """
        return max(self.step / self.steps, self.seconds / (60 * self.minutes))

    def train(self, batch: Tensor) -> float:
        """One step on (N, 3, H, W): the loss."""
        rate = LEARNING_RATE * (0.5 + 0.5 * math.cos(math.pi * min(1, self.progress))) * min(1, self.step / 200)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["share"]
        loss = self.net.loss(batch.to(self.device), self.step, self.mixed)
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.net.parameters(), self.net.LARGEST_GRADIENT)
        self.optimizer.step()
        self.step += 1
        decay = min(AVERAGING, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for mean, weights in zip(self.average.parameters(), self.net.parameters(), strict=True):
                mean.lerp_(weights, 1 - decay)
            for kept, statistic in zip(self.average.buffers(), self.net.buffers(), strict=True):
                kept.copy_(statistic)
        return loss.item()

    @torch.no_grad()
    def validate(self, pictures: list[Any]) -> dict[str, float]:
        """Mean PSNR in dB of the averaged net, on 8-bit pictures, at what the net names."""
        found = [self.average.validate(data.to_tensor(picture[None]).to(self.device)) for picture in pictures]
        return {name: round(float(np.mean([each[name] for each in found])), 3) for name in found[0]}

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
        self.step, self.curve = state["step"], state["curve"]
        self._started = time.monotonic() - state["seconds"]


def _device(name: str) -> str:
    """``cpu`` or ``cuda``, also for ``auto``."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name not in ("cpu", "cuda") or (name == "cuda" and not torch.cuda.is_available()):
        raise typer.BadParameter(f"PyTorch has no device {name!r} here; use auto or cpu")
    return name


def _command(
    net: str, folders: list[Path], rate: float, gray: bool, steps: int, batch: int, seed: int, minutes: float
) -> str:
    """The command to repeat this training, the folders cut to names that mean something elsewhere."""
    names = " ".join(f"--data {folder.resolve().parent.name}/{folder.name}" for folder in folders)
    kind = " --gray" if gray else ""
    limit = f" --minutes {minutes:g}" if minutes < math.inf else ""
    return (
        f"python -m imgcrypt.nets.train {net} --rate {rate}{kind} {names} --steps {steps} --batch {batch} "
        f"--seed {seed}{limit}"
    )


def _commit() -> str:
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty"],  # noqa: S607 (whichever git is the user's)
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
    )
    return described.stdout.strip() or "unknown"


if __name__ == "__main__":
    typer.run(main)
