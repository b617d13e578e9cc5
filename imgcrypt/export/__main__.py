"""Export a trained net: ``python -m imgcrypt.export fclbcnn RUN_FOLDER [--zoo FOLDER]``.

Writes the sampler and the reconstructor as ONNX files, checks onnxruntime against PyTorch on random
pictures, and enters both into the zoo's manifest. A file's name has the start of its SHA-256, and nothing that is in
the zoo is changed or taken out, as pictures may have been made with it: of nets of one name the newest serves new
pictures.
"""

from __future__ import annotations

import json
import tempfile
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
    folder: Annotated[Path, typer.Option("--zoo", help="where it goes; without it, the package")] = Path(str(FOLDER)),
) -> None:
    """Export the net trained into RUN."""
    record = json.loads((run / "record.json").read_text())
    model = build(net, record["rate"], record["gray"]).eval()
    model.load_state_dict(torch.load(run / "checkpoint.pt", weights_only=True, map_location="cpu")["average"])
    export = next(export for kind, export in EXPORTS.items() if isinstance(model, kind))
    folder.mkdir(parents=True, exist_ok=True)
    # Files come into the zoo when they are whole and have been checked.
    with tempfile.TemporaryDirectory(dir=folder, prefix=".export-") as made:
        entry = export(model, net, record["rate"], record["gray"], Path(made)) | {"training": record}
        for part in ("sampler", "reconstructor"):
            if part in entry:
                name = Path(entry[part]["file"])
                entry[part]["file"] = f"{name.stem}-{entry[part]['sha256'][:8]}{name.suffix}"
                Path(made, name).replace(folder / entry[part]["file"])
    manifest = folder / "manifest.json"
    entries = json.loads(manifest.read_text("utf-8")) if manifest.exists() else []
    written = manifest.with_suffix(".new")
    written.write_text(json.dumps([*(old for old in entries if old != entry), entry], indent=1) + "\n", "utf-8")
    written.replace(manifest)
    print(f"exported {entry['name']}")


if __name__ == "__main__":
    typer.run(main)
