"""Kernels that are quick to unpack: of bzImages made by hand."""

import gzip
import lzma
import struct

import pytest

from xenlab.errors import CannotObserve
from xenlab.testbed.kernels import quick_to_unpack

ELF = b"\x7fELF" + bytes(range(256)) * 64


def bzimage(payload: bytes, setup_sectors: int = 3, offset: int = 40) -> bytes:
    """As `make bzImage` lays it out: sectors of setup code, then the packed kernel and its length, then more code."""
    image = bytearray((setup_sectors + 1) * 512)
    image[0x1F1] = setup_sectors
    image[0x202:0x206] = b"HdrS"
    packed = payload + struct.pack("<I", len(ELF))
    struct.pack_into("<II", image, 0x248, offset, len(packed))
    return bytes(image) + b"\x90" * offset + packed + b"\x90" * 100


@pytest.mark.parametrize("setup_sectors", [3, 27])
def test_xz_becomes_gzip(setup_sectors: int) -> None:
    packed = quick_to_unpack(bzimage(lzma.compress(ELF, check=lzma.CHECK_CRC32), setup_sectors))
    assert packed[:2] == b"\x1f\x8b"
    assert gzip.decompress(packed) == ELF
    assert quick_to_unpack(packed) == packed


def test_the_same_kernel_gives_the_same_bytes() -> None:
    image = bzimage(lzma.compress(ELF))
    assert quick_to_unpack(image) == quick_to_unpack(image)


@pytest.mark.parametrize(
    "kernel", [b"", ELF, gzip.compress(ELF), bzimage(b"\x28\xb5\x2f\xfd zstd"), bzimage(gzip.compress(ELF))]
)
def test_any_other_stays_as_it_is(kernel: bytes) -> None:
    assert quick_to_unpack(kernel) == kernel


def test_one_that_is_broken() -> None:
    image = bytearray(bzimage(lzma.compress(ELF)))
    image[4 * 512 + 40 + 20] ^= 0xFF
    with pytest.raises(CannotObserve, match="cannot be unpacked"):
        quick_to_unpack(bytes(image))
