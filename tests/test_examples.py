"""The examples do what they say."""

from __future__ import annotations

import importlib.util
import io
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import imgcrypt
from imgcrypt import Key

EXAMPLES = Path(__file__).parents[1] / "examples"
MISSING = "this test needs the examples' libraries: pip install imgcrypt[examples]"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"examples_{name}", EXAMPLES / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    pytest.importorskip("fastapi", reason=MISSING)
    pytest.importorskip("httpx2", reason=MISSING)
    from fastapi.testclient import TestClient

    Key.generate().save(tmp_path / "key.txt")
    monkeypatch.setenv("VAULT", str(tmp_path))
    monkeypatch.setenv("VAULT_KEY_FILE", str(tmp_path / "key.txt"))
    return TestClient(load("service").app)


def png(image: Any) -> bytes:
    from PIL import Image

    data = io.BytesIO()
    Image.fromarray(image).save(data, "png")
    return data.getvalue()


def test_service(client: Any, picture: Callable[..., Any], tmp_path: Path) -> None:
    from PIL import Image

    image = picture(90, 120)
    assert client.post("/pictures/one", content=png(image)).status_code == 201
    assert client.post("/pictures/one", content=png(image)).status_code == 409
    assert imgcrypt.inspect((tmp_path / "one.imgc").read_bytes()).width == 120
    answer = client.get("/pictures/one")
    assert answer.headers["content-type"] == "image/png"
    back = np.asarray(Image.open(io.BytesIO(answer.content)))
    assert np.abs(back - image.astype(float)).mean() < 8


def test_service_refuses(client: Any, picture: Callable[..., Any], tmp_path: Path) -> None:
    assert client.post("/pictures/one", content=b"no picture").status_code == 415
    assert client.post("/pictures/one", content=bytes(50_000_001)).status_code == 413
    assert client.post("/pictures/..%2Fone", content=png(picture(9, 9))).status_code in (404, 422)
    assert client.get("/pictures/one").status_code == 404
    (tmp_path / "one.imgc").write_bytes(imgcrypt.encrypt(picture(9, 9), Key.generate()))
    answer = client.get("/pictures/one")
    assert answer.status_code == 500
    assert "key" in answer.json()["detail"]


def test_service_notices_a_file_in_anothers_place(client: Any, picture: Callable[..., Any], tmp_path: Path) -> None:
    assert client.post("/pictures/one", content=png(picture(9, 9))).status_code == 201
    (tmp_path / "one.imgc").rename(tmp_path / "two.imgc")
    answer = client.get("/pictures/two")
    assert answer.status_code == 500
    assert "associated data" in answer.json()["detail"]


def test_video(picture: Callable[..., Any], tmp_path: Path) -> None:
    video, key = load("video"), Key.generate()
    pictures = [np.roll(picture(64, 96), 5 * i, 1) for i in range(6)]
    assert video.write(tmp_path / "clip.avi", iter(pictures)) == 6
    taken = list(video.frames(tmp_path / "clip.avi"))
    assert (np.array(taken) == np.array(pictures)).all()
    assert video.seal(tmp_path / "clip.avi", tmp_path / "clip.sealed", key) == 6
    assert (np.array(list(video.unseal(tmp_path / "clip.sealed", key))) == np.array(pictures)).all()


def test_video_at_a_shell(picture: Callable[..., Any], tmp_path: Path) -> None:
    load("video").write(tmp_path / "clip.avi", iter([picture(64, 96)] * 3))
    Key.generate().save(tmp_path / "key.txt")
    for arguments in (["seal", "clip.avi", "clip.sealed"], ["open", "clip.sealed", "back.avi"]):
        command = [sys.executable, EXAMPLES / "video.py", *arguments, "key.txt"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        assert "3 frames" in done.stdout
    assert len(list(load("video").frames(tmp_path / "back.avi"))) == 3


def test_camera() -> None:
    taken = list(load("camera").run(4))
    assert len(taken) == 4
    assert 0.1 < sum(lost for _, lost, _, _ in taken) / sum(sent for sent, _, _, _ in taken) < 0.3
    for _, _, shown, quality in taken:
        assert shown.complete
        assert quality > 30


def test_camera_at_a_shell() -> None:
    command = [sys.executable, EXAMPLES / "camera.py", "2"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("dB") == 2


def test_cluster() -> None:
    for needed in ("distributed", "moto", "s3fs"):
        pytest.importorskip(needed, reason=MISSING)
    done = subprocess.run([sys.executable, EXAMPLES / "cluster.py", "15"], capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    assert "photos/0/0010.png" in done.stdout
    assert "{'done': 14, 'failed': 1, 'same': 14}" in done.stdout


def test_service_under_two_workers(picture: Callable[..., Any], tmp_path: Path) -> None:
    """Uploads at once to two processes, which share nothing but the folder and the key's file."""
    pytest.importorskip("fastapi", reason=MISSING)
    uvicorn, httpx = (pytest.importorskip(name, reason=MISSING) for name in ("uvicorn", "httpx2"))
    assert uvicorn
    import concurrent.futures
    import socket
    import time

    Key.generate().save(tmp_path / "key.txt")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "--app-dir", str(EXAMPLES), "service:app", "--workers", "2"]
    environment = os.environ | {"VAULT": str(tmp_path), "VAULT_KEY_FILE": str(tmp_path / "key.txt")}
    with (
        subprocess.Popen([*command, "--port", str(port)], env=environment, stderr=subprocess.DEVNULL) as server,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as http,
    ):
        try:
            for _ in range(600):
                try:
                    assert http.get("/pictures/none").status_code == 404
                    break
                except httpx.TransportError:
                    time.sleep(0.1)
            names = [f"picture{number}" for number in range(12)]
            with concurrent.futures.ThreadPoolExecutor(4) as pool:
                data = png(picture(40, 60))
                answers = list(pool.map(lambda name: http.post(f"/pictures/{name}", content=data), names))
                assert [answer.status_code for answer in answers] == [201] * 12
                answers = list(pool.map(lambda name: http.get(f"/pictures/{name}"), names))
                assert [answer.status_code for answer in answers] == [200] * 12
        finally:
            server.terminate()


def test_notebook() -> None:
    pytest.importorskip("ipykernel", reason=MISSING)
    nbclient = pytest.importorskip("nbclient", reason=MISSING)
    pytest.importorskip("matplotlib", reason=MISSING)
    import nbformat

    notebook = nbformat.read(EXAMPLES / "notebook.ipynb", as_version=4)
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    text = "".join(output.get("text", "") for output in outputs)
    assert "the same picture: True" in text
    assert "ends early" in text


def test_steps_of_the_container_file(tmp_path: Path) -> None:
    """Its steps in a virtual environment; CI builds the image itself where that can be done."""
    steps = [line.split(None, 1) for line in (EXAMPLES / "Containerfile").read_text().splitlines() if line.strip()]
    names = [step[0] for step in steps]
    assert names.index("COPY") < names.index("RUN") < names.index("USER") < names.index("ENTRYPOINT")
    assert ["RUN", "imgcrypt warmup"] in steps
    assert ["ENTRYPOINT", '["imgcrypt"]'] in steps
    command = shutil.which("imgcrypt", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    assert command
    subprocess.run([command, "warmup"], timeout=300, check=True, capture_output=True)
