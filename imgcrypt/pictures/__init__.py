"""Picture files: read by whichever decoder is right for the kind, and written.

reading.py   bytes -> Picture: which decoder, depth, alpha, orientation
png.py jpeg.py tiff.py webp.py deep.py heif.py pillow.py   the decoders, by format
unread.py    names of formats that are not read
metadata.py  profile, EXIF, XMP and the like, and their packed form
samples.py   arithmetic on samples
writing.py   pixels -> bytes
"""

from __future__ import annotations

from imgcrypt.pictures.picture import Picture
from imgcrypt.pictures.reading import MAX_PIXELS, most_bytes, read
from imgcrypt.pictures.writing import FORMATS, LOSSY_SUFFIXES, encode, left_out

__all__ = ["FORMATS", "LOSSY_SUFFIXES", "MAX_PIXELS", "Picture", "encode", "left_out", "most_bytes", "read"]
