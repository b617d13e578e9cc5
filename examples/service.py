"""A picture vault over HTTP: pictures go in as files, lie encrypted in a folder, and come out as PNG.

    pip install imgcrypt[examples]
    imgcrypt keygen -o key.txt
    VAULT=vault VAULT_KEY_FILE=key.txt uvicorn --app-dir examples service:app

    curl --data-binary @photo.jpg http://localhost:8000/pictures/holiday
    curl http://localhost:8000/pictures/holiday -o holiday.png

The handlers are plain functions, which FastAPI runs in threads: imgcrypt is safe there, and the event loop stays free.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Annotated

import fastapi
import numpy as np
from PIL import Image

import imgcrypt

MOST_BYTES = 50_000_000
MOST_PIXELS = 40_000_000

app = fastapi.FastAPI()
folder = Path(os.environ["VAULT"])
codec = imgcrypt.Codec(imgcrypt.Key.load(os.environ["VAULT_KEY_FILE"]), max_pixels=MOST_PIXELS)

Name = Annotated[str, fastapi.Path(pattern=r"^[A-Za-z0-9_-]{1,100}$")]


async def body(request: fastapi.Request) -> bytes:
    """The request's body, refused before more than MOST_BYTES of it are in memory."""
    data = bytearray()
    async for part in request.stream():
        data += part
        if len(data) > MOST_BYTES:
            raise fastapi.HTTPException(413, f"a picture's file may have {MOST_BYTES} bytes")
    return bytes(data)


@app.post("/pictures/{name}", status_code=201)
def put(name: Name, data: Annotated[bytes, fastapi.Depends(body)]) -> dict[str, int]:
    """Encrypt a picture file into the vault."""
    try:
        with Image.open(io.BytesIO(data)) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                raise fastapi.HTTPException(413, f"a picture may have {MOST_PIXELS} pixels")
            image = np.asarray(picture.convert("RGB"))
    except (OSError, Image.DecompressionBombError) as error:
        raise fastapi.HTTPException(415, "this is no picture that can be read") from error
    # Bound to its name: a file that was put in another's place does not open.
    blob = codec.encrypt(image, associated_data=name.encode())
    try:
        with (folder / f"{name}.imgc").open("xb") as file:
            file.write(blob)
    except FileExistsError as error:
        raise fastapi.HTTPException(409, f"there is a picture called {name}") from error
    return {"bytes": len(blob)}


@app.get("/pictures/{name}")
def get(name: Name) -> fastapi.Response:
    """Decrypt a picture of the vault."""
    try:
        image = codec.decrypt((folder / f"{name}.imgc").read_bytes(), associated_data=name.encode())
    except FileNotFoundError as error:
        raise fastapi.HTTPException(404, f"there is no picture called {name}") from error
    except imgcrypt.ImgcryptError as error:  # damaged, or made for another key: its sentence says which
        raise fastapi.HTTPException(500, str(error)) from error
    png = io.BytesIO()
    Image.fromarray(image).save(png, "png")
    return fastapi.Response(png.getvalue(), media_type="image/png")
