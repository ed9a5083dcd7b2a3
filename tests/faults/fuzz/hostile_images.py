"""Image files with hostile headers and contents: name -> function that writes the file."""

import gzip
import struct

__all__ = ["IMAGES"]

PIXELS = bytes(28 * 28)


def _idx(magic=2051, count=2, rows=28, columns=28, data=2 * PIXELS):
    return struct.pack(">IIII", magic, count, rows, columns) + data


CONTENTS = {
    "images that are good": gzip.compress(_idx()),
    "images of 4 billion": gzip.compress(_idx(count=2**32 - 1)),
    "images of 0": gzip.compress(_idx(count=0, data=b"")),
    "images of 0 pixels": gzip.compress(_idx(rows=0, columns=0)),
    "images of 4 billion rows": gzip.compress(_idx(rows=2**32 - 1)),
    "images with a wrong magic number": gzip.compress(_idx(magic=7)),
    "images with too little data": gzip.compress(_idx(count=100)),
    "images with too much data": gzip.compress(_idx(count=1)),
    "images of a header only": gzip.compress(b"\x00\x00\x08"),
    "images that are not packed": _idx(),
    "images of an empty archive": gzip.compress(b""),
    "images packed twice": gzip.compress(gzip.compress(_idx())),
    "images cut short": gzip.compress(_idx())[:-6],
    "images with a wrong checksum": gzip.compress(_idx())[:-8] + bytes(8),
    "images with a marked name": b"\x1f\x8b\x08\x08" + bytes(6) + b"\x1b[31mRED\x00" + gzip.compress(_idx())[10:],
}


def _bomb(path, choose):
    with gzip.open(path, "wb", compresslevel=6) as file:
        file.write(_idx(count=2**22))
        for _ in range(40):
            file.write(bytes(1 << 24))


IMAGES = {
    **{name: lambda path, choose, data=data: path.write_bytes(data) for name, data in CONTENTS.items()},
    "images of a bomb": _bomb,
}
