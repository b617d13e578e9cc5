"""PyInstaller's hook: the nets, the demo's picture, and the modules that are imported by name."""

from PyInstaller.utils.hooks import collect_data_files, collect_submodules, copy_metadata

datas = collect_data_files("imgcrypt", excludes=["**/__pycache__/*"]) + copy_metadata("imgcrypt")
# The bench, the training and the export of nets have no place in a frozen program. imagecodecs imports its decoders when
# they are asked for.
hiddenimports = [
    *collect_submodules(
        "imgcrypt", filter=lambda name: not name.startswith(("imgcrypt.bench", "imgcrypt.nets", "imgcrypt.export"))
    ),
    *collect_submodules("imagecodecs"),
]
