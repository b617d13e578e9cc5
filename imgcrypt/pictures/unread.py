"""Names for files that are not read, so that the refusal says what they are."""

from __future__ import annotations

from imgcrypt.errors import ImageError

NOTHING_KNOWN = "it is of no picture format that is known here, or it is damaged"
KEY_TEXT = b"imgcrypt-key-"
SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x89imgc\r\n\x1a", "is an encrypted picture already; decrypt it instead"),
    (0, b"\xff\x0a", "is JPEG XL, which is not read; convert it to PNG"),
    (0, b"\0\0\0\x0cJXL \r\n\x87\n", "is JPEG XL, which is not read; convert it to PNG"),
    (0, b"%PDF", "is a PDF document, not a picture; export its pages as PNG"),
    (0, b"%!PS", "is PostScript, which would have to be run as a program; convert it to PNG"),
    (0, b"\xc5\xd0\xd3\xc6", "is PostScript, which would have to be run as a program; convert it to PNG"),
    (0, b"8BPB", "is a large Photoshop document, which is not read; save it as TIFF or PNG"),
    (0, b"#?RADIANCE", "is Radiance HDR, whose samples are floating-point numbers; convert it to 16 bits"),
    (0, b"#?RGBE", "is Radiance HDR, whose samples are floating-point numbers; convert it to 16 bits"),
    (0, b"\x76\x2f\x31\x01", "is OpenEXR, whose samples are floating-point numbers; convert it to 16 bits"),
    (0, b"PF", "is a float map, whose samples are floating-point numbers; convert it to 16 bits"),
    (0, b"Pf", "is a float map, whose samples are floating-point numbers; convert it to 16 bits"),
    (0, b"P7\n", "is PAM, which is not read; convert it to PNG"),
    (0, b"FUJIFILMCCD-RAW", "is a camera's raw file; develop it first"),
    (4, b"ftypcrx ", "is a camera's raw file; develop it first"),
    (0, b"FOVb", "is a camera's raw file; develop it first"),
    (0, b"\xd7\xcd\xc6\x9a", "is a Windows metafile, a drawing; convert it to PNG"),
    (40, b" EMF", "is a Windows metafile, a drawing; convert it to PNG"),
    (0, b"II\xbc", "is JPEG XR, which is not read; convert it to PNG"),
    (0, b"SIMPLE  =", "is FITS, whose samples are measurements; convert it to PNG or TIFF"),
    (128, b"DICM", "is DICOM, which is not read; convert it to PNG or TIFF"),
    (0, b"BPG\xfb", "is BPG, which is not read; convert it to PNG"),
    (0, b"gimp xcf", "is a GIMP document; export it as PNG"),
    (0, b"AT&TFORM", "is DjVu, a document; export its pages as PNG"),
    (4, b"ftyp", "is a video, or a picture in a container that is not read; convert it to PNG"),
    (0, b"PK\x03\x04", "is an archive; unpack it first"),
    (0, b"\x1f\x8b", "is compressed by gzip; unpack it first"),
    (0, b"\x1aE\xdf\xa3", "is a video; take a frame of it as PNG"),
)


def refusal(data: bytes) -> ImageError:
    """The error for a file that no decoder recognizes."""
    if not data:
        return ImageError("it is empty")
    for at, signature, sentence in SIGNATURES:
        if data[at : at + len(signature)] == signature:
            return ImageError(f"it {sentence}")
    if b"<svg" in data[:4096]:
        return ImageError("it is SVG, a drawing; convert it to PNG")
    if KEY_TEXT in data[:4096].lower():
        return ImageError("it is a key file, not a picture")
    return ImageError(NOTHING_KNOWN)
