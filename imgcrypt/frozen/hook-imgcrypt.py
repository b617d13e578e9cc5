"""PyInstaller's hook: the nets, the demo's picture, and the modules that are imported by name."""

from PyInstaller.utils.hooks import collect_data_files, collect_submodules, copy_metadata

UNWANTED = ("imgcrypt.bench", "imgcrypt.nets", "imgcrypt.export")

datas = collect_data_files("imgcrypt", excludes=["**/__pycache__/*"]) + copy_metadata("imgcrypt")
# The bench, the training and the export of nets have no place in a frozen program.
hiddenimports = [
    *collect_submodules("imgcrypt", filter=lambda name: not name.startswith(UNWANTED)),
    # Its decoders are imported when they are asked for.
    *collect_submodules("imagecodecs"),
]
