"""Export a trained net: ``python -m imgcrypt.export fclbcnn RUN_FOLDER [--zoo FOLDER]``.

Writes the sampler and the reconstructor as ONNX files, checks onnxruntime against PyTorch on random
pictures, and enters both into the zoo's manifest.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import onnx
import torch
import typer
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn
from torch.nn import functional as F

from imgcrypt.export import runtime, zoo
from imgcrypt.nets.baselines import METHODS
from imgcrypt.nets.fclbcnn import BLOCK, Net
from imgcrypt.nets.train import NETS, build

OPSET = 17


class SamplerGraph(nn.Module):
    """RGB uint8 (33 h, 33 w, 3) -> measurements uint8 (h, w, bytes per block)."""

    def __init__(self, net: Net) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: Tensor) -> Tensor:
        picture = image.permute(2, 0, 1).unsqueeze(0).float() / 255
        grid, depth = self.net.grid, self.net.depth
        cells = (self.net.sampler(picture)[0].clamp(0, 1) * 255).round().to(torch.uint8)
        height, width = cells.shape[1] // grid, cells.shape[2] // grid
        blocks = cells.reshape(depth, height, grid, width, grid).permute(1, 3, 2, 4, 0)
        return blocks.reshape(height, width, grid**2 * depth)


class ReconstructorGraph(nn.Module):
    """Measurements uint8 (h, w, bytes per block) and which of them are valid, uint8 of the same shape, 1 or 0
    -> RGB uint8 (33 h, 33 w, 3).

    A measurement that is not valid counts as one half, where warm_start puts the mean of each.
    """

    def __init__(self, net: Net) -> None:
        super().__init__()
        self.net = net

    def forward(self, measurements: Tensor, valid: Tensor) -> Tensor:
        grid, depth = self.net.grid, self.net.depth
        height, width = measurements.shape[0], measurements.shape[1]
        values = torch.where(valid > 0, measurements.float() / 255, torch.tensor(0.5))
        cells = values.reshape(height, width, grid, grid, depth).permute(4, 0, 2, 1, 3)
        picture = self.net.reconstructor(cells.reshape(1, depth, height * grid, width * grid))
        return (picture.clamp(0, 1) * 255).round().to(torch.uint8)[0].permute(1, 2, 0)


def main(
    net: Annotated[str, typer.Argument(help=", ".join(NETS))],
    run: Annotated[Path, typer.Argument(help="the folder that the training wrote")],
    folder: Annotated[Path, typer.Option("--zoo", help="where the files and the manifest go")] = zoo.FOLDER,
) -> None:
    """Export the net trained into RUN."""
    record = json.loads((run / "record.json").read_text())
    model = build(net, record["rate"], record["gray"])
    model.load_state_dict(torch.load(run / "checkpoint.pt", weights_only=True, map_location="cpu")["average"])
    model.eval()
    name = f"{net}-{'gray-' * record['gray']}{record['rate']:.2f}"
    height, width = 3, 4
    image = torch.randint(0, 256, (height * BLOCK, width * BLOCK, 3), dtype=torch.uint8)
    measurements = torch.randint(0, 256, (height, width, model.block_bytes), dtype=torch.uint8)
    sampler, reconstructor = SamplerGraph(model), ReconstructorGraph(model)
    files = {
        "sampler": _write(
            sampler, (image,), ["image"], "measurements", folder / f"{name}-sampler.onnx", {0: "rows", 1: "columns"}
        ),
        "reconstructor": _write(
            reconstructor,
            (measurements, torch.ones_like(measurements)),
            ["measurements", "valid"],
            "image",
            folder / f"{name}-reconstructor.onnx",
            {0: "rows", 1: "columns"},
        ),
    }
    entry: dict[str, Any] = {
        "name": name,
        "color_rate": None if record["gray"] else record["rate"],
        "gray_rate": round(model.block_bytes / BLOCK**2, 2),
        "block": BLOCK,
        "block_bytes": model.block_bytes,
        "halo": 1,
        "baseline": net in METHODS,
        **files,
        "training": record,
    }
    manifest = folder / "manifest.json"
    entries = json.loads(manifest.read_text()) if manifest.exists() else []
    # An older net of the same name has just lost its files to this one.
    entries = [old for old in entries if old["name"] != name]
    manifest.write_text(json.dumps([*entries, entry], indent=1) + "\n")
    _check_parity(zoo.Entry.from_json(entry, folder), sampler, reconstructor)
    print(f"exported {name}")


def _write(
    graph: nn.Module, inputs: tuple[Tensor, ...], names: list[str], output: str, path: Path, axes: dict[int, str]
) -> dict[str, str]:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.onnx.export(
        graph,
        inputs,
        str(path),
        input_names=names,
        output_names=[output],
        dynamic_axes=dict.fromkeys([*names, output], axes),
        opset_version=OPSET,
        dynamo=False,
    )
    model = onnx.load(str(path))
    _halve(model.graph)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, str(path))
    return {"file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def _halve(graph: onnx.GraphProto) -> None:
    """Keep the large weights as float16: half the size on disk. onnxruntime widens them once, when it loads."""
    casts = []
    for initializer in list(graph.initializer):
        if initializer.data_type != TensorProto.FLOAT or np.prod(initializer.dims) < 1024:
            continue
        weights, name = numpy_helper.to_array(initializer), initializer.name
        initializer.CopyFrom(numpy_helper.from_array(weights.astype(np.float16), f"{name}.half"))
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


@torch.no_grad()
def _check_parity(entry: zoo.Entry, sampler: nn.Module, reconstructor: nn.Module) -> None:
    """onnxruntime must give PyTorch's measurements and pictures within one step, up to the halved weights."""
    net = runtime.load(entry, "cpu")
    rng = np.random.default_rng(0)
    for height, width in ((1, 1), (2, 5), (7, 3)):
        # Smooth pictures: noise is nothing that the nets were made for.
        coarse = torch.from_numpy(rng.random((1, 3, height * 4, width * 4), np.float32))
        image = F.interpolate(coarse, (height * BLOCK, width * BLOCK), mode="bicubic").clamp(0, 1)
        picture = (image[0].permute(1, 2, 0) * 255).round().to(torch.uint8)
        measured = net.sample(picture.numpy())
        expected = sampler(picture)
        rebuilt = net.reconstruct(measured, np.ones_like(measured))
        wanted = reconstructor(torch.from_numpy(measured), torch.ones(measured.shape, dtype=torch.uint8))
        apart = (
            int(np.abs(measured.astype(int) - expected.numpy()).max()),
            int(np.abs(rebuilt.astype(int) - wanted.numpy()).max()),
        )
        print(f"{height} x {width} blocks: measurements {apart[0]}, gray levels {apart[1]} apart")
        if max(apart) > 1:
            raise SystemExit("onnxruntime and PyTorch disagree")


if __name__ == "__main__":
    typer.run(main)
