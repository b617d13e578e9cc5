"""Every error this package raises on purpose. Each message says what is wrong and what to do."""

from __future__ import annotations


class ImgcryptError(Exception):
    """Base of all the others."""


class ImageError(ImgcryptError):
    """A picture that cannot be read or written, or whose shape or dtype is not served."""


class TooLargeError(ImageError):
    """A picture with more pixels than were allowed."""


class SeveralPicturesError(ImageError):
    """A file that holds several pictures, of which none was chosen."""


class KeyFileError(ImgcryptError):
    """A key file, or the text in it, that is not a key."""


class KeyLockedError(KeyFileError):
    """A key that is protected by a passphrase, which was not given."""


class WrongKeyError(ImgcryptError):
    """The file is whole but was made for another key or passphrase."""


class NetError(ImgcryptError):
    """No net of this name or rate, or the net that a file needs is not installed."""


class ProviderError(ImgcryptError):
    """The requested onnxruntime provider is not installed or does not start."""


class DependencyError(ImgcryptError):
    """A library that this needs is missing, broken or too old."""


class CancelledError(ImgcryptError):
    """The caller gave up on this."""


class ContainerError(ImgcryptError):
    """Base of what can be wrong with the bytes of a file."""


class NotImgcError(ContainerError):
    """The bytes are not an imgcrypt file."""


class NewerVersionError(ContainerError):
    """The file uses a version or feature that this release does not know."""


class TruncatedError(ContainerError):
    """The file ends too early."""


class DamagedError(ContainerError):
    """The bytes were changed after encryption."""

    def __init__(self, message: str = "the file was damaged or changed after encryption; get another copy of it"):
        super().__init__(message)
