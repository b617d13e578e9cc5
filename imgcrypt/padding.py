"""Lengths that tell little of what they pad."""

from __future__ import annotations


def padded(length: int) -> int:
    """The least length of few significant bits that is no smaller, at most 12 % more: Padmé (Nikitin et al., Reducing
    Metadata Leakage from Encrypted Files and Communication with PURBs, PoPETs 2019). It leaks O(log log length) bits.
    """
    exponent = length.bit_length() - 1
    zeros = max(exponent - exponent.bit_length(), 0)
    return -(-length >> zeros) << zeros
