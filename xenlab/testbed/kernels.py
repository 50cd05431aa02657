"""Kernels that are quick to unpack: pure.

Whoever starts a PV domain unpacks its kernel first, Xen for Dom0 and `xl create` for a guest. Emulated, the xz of a
Debian kernel costs each start six seconds, gzip two.
"""

import gzip
import lzma
import struct

from xenlab.errors import CannotObserve

# Linux's boot protocol, 2.08 and later (Documentation/arch/x86/boot.rst): where the packed ELF lies in a bzImage.
_MAGIC = (0x202, b"HdrS")
_SETUP_SECTORS = 0x1F1
_PAYLOAD = 0x248
_SECTOR = 512
_XZ = b"\xfd7zXZ\0"


def quick_to_unpack(kernel: bytes) -> bytes:
    """A bzImage packed with xz as a gzipped ELF, which Xen and libxl take as well; any other as it is.

    :raises CannotObserve: it says that it is packed with xz, and cannot be unpacked.
    """
    where, magic = _MAGIC
    if kernel[where : where + len(magic)] != magic:
        return kernel
    offset, length = struct.unpack_from("<II", kernel, _PAYLOAD)
    start = (kernel[_SETUP_SECTORS] + 1) * _SECTOR + offset
    payload = kernel[start : start + length]
    if not payload.startswith(_XZ):
        return kernel
    try:
        # Behind the xz stream the kernel's build leaves its length.
        unpacked = lzma.LZMADecompressor().decompress(payload)
    except lzma.LZMAError as broken:
        raise CannotObserve(f"the kernel cannot be unpacked: {broken}") from broken
    return gzip.compress(unpacked, mtime=0)
