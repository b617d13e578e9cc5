"""Export a trained net: ``python -m imgcrypt.export fclbcnn RUN_FOLDER [--zoo FOLDER]``.

Writes the sampler and the reconstructor as ONNX files, checks onnxruntime against PyTorch on random
pictures, and enters both into the zoo's manifest.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import torch
import typer

from imgcrypt.export.registry import EXPORTS
from imgcrypt.nets.registry import NETS, build
from imgcrypt.runtime.zoo import FOLDER


def main(
    net: Annotated[str, typer.Argument(help=", ".join(NETS))],
    run: Annotated[Path, typer.Argument(help="the folder that the training wrote")],
    folder: Annotated[Path, typer.Option("--zoo", help="where the files and the manifest go")] = Path(str(FOLDER)),
) -> None:
    """Export the net trained into RUN."""
    record = json.loads((run / "record.json").read_text())
    model = build(net, record["rate"], record["gray"]).eval()
    model.load_state_dict(torch.load(run / "checkpoint.pt", weights_only=True, map_location="cpu")["average"])
    export = next(export for kind, export in EXPORTS.items() if isinstance(model, kind))
    entry = export(model, net, record["rate"], record["gray"], folder) | {"training": record}
    manifest = folder / "manifest.json"
    entries = json.loads(manifest.read_text()) if manifest.exists() else []
    # An older net of the same name has just lost its files to this one.
    entries = [old for old in entries if old["name"] != entry["name"]]
    manifest.write_text(json.dumps([*entries, entry], indent=1) + "\n")
    print(f"exported {entry['name']}")


if __name__ == "__main__":
    typer.run(main)
