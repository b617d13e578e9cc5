"""AES-256-GCM over the packets of a file. docs/format.md, section 3.3."""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from imgcrypt.container import TAG_BYTES, Suite
from imgcrypt.errors import DamagedError


class PacketCipher:
    """Seals the packets of one file (suite ``hybrid``), or only tags them (suite ``chaos``)."""

    def __init__(self, suite: Suite, key: bytes) -> None:
        self.suite = suite
        self.key = key
        self.gcm = AESGCM(key)

    def seal(self, number: int, packet: memoryview, out: memoryview) -> None:
        """Write the sealed packet and its tag to ``out``, 16 bytes longer than ``packet``."""
        nonce = number.to_bytes(12, "big")
        if self.suite is Suite.HYBRID:
            self.gcm.encrypt_into(nonce, packet, None, out)
        else:
            out[:-TAG_BYTES] = packet
            out[-TAG_BYTES:] = self.gcm.encrypt(nonce, b"", packet)

    def open(self, number: int, sealed: memoryview, out: memoryview) -> None:
        """Write the packet to ``out``, 16 bytes shorter than ``sealed``, or raise DamagedError."""
        nonce = number.to_bytes(12, "big")
        try:
            if self.suite is Suite.HYBRID:
                self.gcm.decrypt_into(nonce, sealed, None, out)
            else:
                self.gcm.decrypt(nonce, sealed[-TAG_BYTES:], sealed[:-TAG_BYTES])
                out[:] = sealed[:-TAG_BYTES]
        except InvalidTag:
            raise DamagedError from None

    def open_unverified(self, number: int, packet: bytes) -> bytes:
        """A packet that has no right tag, opened all the same. For recovery alone: anyone may have written it."""
        if self.suite is Suite.CHAOS:
            return packet
        # GCM is AES in counter mode; block 1 goes to the tag, the text begins with block 2 (SP 800-38D, section 7.1).
        counter = number.to_bytes(12, "big") + (2).to_bytes(4, "big")
        return Cipher(algorithms.AES(self.key), modes.CTR(counter)).decryptor().update(packet)
