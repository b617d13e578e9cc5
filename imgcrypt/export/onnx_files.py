"""From a PyTorch graph to an ONNX file with half-precision weights."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

OPSET = 17


def write(
    graph: nn.Module,
    inputs: dict[str, Tensor],
    outputs: list[str],
    axes: dict[str, dict[int, str]],
    path: Path,
    half_precision_axes: int = 0,
    notes: dict[str, str] | None = None,
) -> dict[str, str]:
    """Write a graph and check it: the file's name and SHA-256, for the manifest.

    Args:
        graph: takes the inputs in their order.
        inputs: examples by name.
        outputs: their names.
        axes: the dynamic axes by input and output.
        path: of the file.
        half_precision_axes: only weights of so many axes are kept in half precision; 0 means all large ones.
        notes: go into the file as its metadata.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # torch.onnx.export puts back the mode that it found, in the nets inside too.
    graph.eval()
    torch.onnx.export(
        graph,
        tuple(inputs.values()),
        str(path),
        input_names=list(inputs),
        output_names=outputs,
        dynamic_axes=axes,
        opset_version=OPSET,
        dynamo=False,
    )
    model = onnx.load(str(path))
    _to_half_precision(model.graph, half_precision_axes)
    helper.set_model_props(model, notes or {})
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, str(path))
    return stamp(path)


def stamp(path: Path) -> dict[str, str]:
    """What the manifest says of a file."""
    return {"file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def _to_half_precision(graph: onnx.GraphProto, axes: int) -> None:
    """Keep the large weights as float16: half the size on disk. onnxruntime widens them once, when it loads."""
    casts = []
    for initializer in list(graph.initializer):
        small = np.prod(initializer.dims) < 1024 or axes not in (0, len(initializer.dims))
        if initializer.data_type != TensorProto.FLOAT or small:
            continue
        weights, name = numpy_helper.to_array(initializer), initializer.name
        initializer.CopyFrom(numpy_helper.from_array(weights.astype(np.float16), f"{name}.half"))
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
