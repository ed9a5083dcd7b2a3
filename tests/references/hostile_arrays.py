"""Array files that a reader must refuse with one line, built byte by byte."""

import io
import struct
import warnings
import zipfile
import zlib

import numpy as np

TABLE = np.arange(12.0).reshape(4, 3)


def npy(shape="(4, 3)", *, descr="'<f8'", order="False", data=None, version=(1, 0), header=None):
    """Write a .npy file whose header claims what it is asked to, with the numbers of TABLE unless others are given."""
    text = header if header is not None else f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}"
    raw = text if isinstance(text, bytes) else text.encode()
    length = struct.pack("<H" if version == (1, 0) else "<I", len(raw) + 1)
    return b"\x93NUMPY" + bytes(version) + length + raw + b"\n" + (TABLE.tobytes() if data is None else data)


def saved(array, **options):
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def archive(*entries, method=zipfile.ZIP_STORED):
    file = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w", method) as made:
        warnings.simplefilter("ignore")  # about equal names
        for name, raw in entries:
            made.writestr(name, raw)
    return file.getvalue()


def patched(raw, old, new, count=1):
    assert raw.count(old) >= count
    return raw.replace(old, new)


def forged_size(raw, size):
    """Make a zip archive of one entry claim that the entry unpacks to `size` bytes."""
    forged = bytearray(raw)
    forged[22:26] = struct.pack("<I", size)
    at = raw.index(b"PK\x01\x02") + 24
    forged[at : at + 4] = struct.pack("<I", size)
    return bytes(forged)


def with_flag(raw, flag):
    forged = bytearray(raw)
    forged[6] |= flag
    forged[raw.index(b"PK\x01\x02") + 8] |= flag
    return bytes(forged)


def with_method(raw, method):
    forged = bytearray(raw)
    forged[8:10] = struct.pack("<H", method)
    at = raw.index(b"PK\x01\x02") + 10
    forged[at : at + 2] = struct.pack("<H", method)
    return bytes(forged)


def many_entries(count):
    """Make a zip archive whose table of contents names the same entry `count` times, 46 bytes each."""
    entry = archive(("a", b""))
    at = entry.index(b"PK\x01\x02")
    row = entry[at : at + 47]
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, count % 2**16, count % 2**16, len(row) * count, at, 0)
    return entry[:at] + row * count + end


GOOD = saved(TABLE)
PACKED = archive(("a.npy", GOOD), method=zipfile.ZIP_DEFLATED)
BOMB = npy("(100000000000, 3)", data=b"")
LONG = np.dtype(np.longdouble)

HOSTILE: dict[str, bytes] = {
    "empty": b"",
    "magic alone": b"\x93NUMPY",
    "wrong magic": b"\x93NUMPX" + GOOD[6:],
    "version 9": b"\x93NUMPY\x09\x00" + GOOD[8:],
    "version 3": npy(version=(3, 0)),
    "torn header": GOOD[:40],
    "torn numbers": GOOD[:-1],
    "no numbers": GOOD[:128],
    "trailing byte": GOOD + b"x",
    "two arrays": GOOD + GOOD,
    "huge shape": BOMB,
    "huge shape, no width": npy("(1000000000000000, 1)"),
    "more than 64 bits": npy("(10**30, 3)".replace("10**30", "1" + "0" * 30)),
    "nothing times more than 64 bits": npy(f"(0, 1{'0' * 30})", data=b""),
    "thousand digits": npy(f"({'9' * 900}, 3)"),
    "negative": npy("(-4, 3)"),
    "both negative": npy("(-4, -3)"),
    "fraction": npy("(4.0, 3)"),
    "truth as length": npy("(True, 3)", data=bytes(24)),
    "no dimension": npy("()", data=bytes(8)),
    "one dimension": npy("(12,)"),
    "three dimensions": npy("(2, 2, 3)"),
    "hundred dimensions": npy("(1,)" + " * 100"),
    "hundred written dimensions": npy(f"({'1, ' * 100})", data=bytes(8)),
    "no points": npy("(0, 3)", data=b""),
    "no coordinates": npy("(3, 0)", data=b""),
    "list as shape": npy("[4, 3]"),
    "objects": saved(np.array([[{}]], dtype=object), allow_pickle=True),
    "objects, forged": npy(descr="'|O'"),
    "objects among fields": npy(descr="[('a', '<f8'), ('b', '|O')]"),
    "fields": saved(np.zeros((2, 2), dtype=[("a", "f8"), ("b", "i4")])),
    "complex": saved(np.ones((2, 2)) * 1j),
    "bytes": saved(np.array([[b"a", b"b"]])),
    "words": saved(np.array([["a", "b"]])),
    "dates": saved(np.array([["2000-01-01"]], dtype="M8[D]")),
    "durations": saved(np.array([[1, 2]], dtype="m8[s]")),
    "void": saved(np.zeros((2, 2), dtype="V8")),
    "array of arrays": npy(descr="('<f8', (2, 2))", data=bytes(384)),
    "no such type": npy(descr="'<q9'"),
    "type of nothing": npy(descr="None"),
    "type of fields of fields": npy(descr="[" * 200 + "]" * 200),
    "number as type": npy(descr="8"),
    "order as text": npy(order="'no'"),
    "further key": npy(header="{'descr': '<f8', 'fortran_order': False, 'shape': (4, 3), 'x': 1}"),
    "missing key": npy(header="{'descr': '<f8', 'shape': (4, 3)}"),
    "header of a list": npy(header="[1, 2]"),
    "header of code": npy(header="__import__('os').system('touch pwned')"),
    "header that warns": npy(header=r"{'descr': '\d', 'fortran_order': False, 'shape': (4 is 4, 3)}"),
    "header of zeros": npy(header=b"\0" * 100),
    "header not UTF-8": npy(header=b"\xff\xfe{'descr'}", version=(3, 0)),
    "header of Latin letters": npy(header=b"{'d\xe9scr': 1}"),
    "header without end": npy(header="{'descr': '<f8', 'fortran_order': False, 'shape': (4, 3"),
    "header indented": npy(header="  \n   {\n'descr'"),
    "nested header": npy(header="(" * 900),
    "deep literal": npy(header="[" * 450 + "]" * 450),
    "deep signs": npy(header="-" * 900 + "1"),
    "header of 10 MB": npy(header=b" " * 10_000_000, version=(2, 0)),
    "header of 60 kB": npy(header=b" " * 60_000),
    "header claims 4 GB": b"\x93NUMPY\x02\x00\xff\xff\xff\xff{}",
    "NaN": saved(np.array([[1.0, np.nan]])),
    "infinite": saved(np.array([[1.0, -np.inf]])),
    "half NaN": saved(np.array([[1.0, np.nan]], dtype=np.float16)),
    "text": b"1.0, 2.0\n",
    "pickle": b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00\x8c\x07builtins\x94.",
    "npz empty": archive(),
    "npz of nothing known": archive(("readme.txt", b"hello")),
    "npz of two": archive(("a.npy", GOOD), ("b.npy", GOOD)),
    "npz of two equal names": archive(("a.npy", GOOD), ("a.npy", GOOD)),
    "npz with a folder": archive(("a/", b"")),
    "npz torn": PACKED[:100],
    "npz without its end": PACKED[:-30],
    "npz with an end only": PACKED[-22:],
    "npz of a torn array": archive(("a.npy", GOOD[:-8])),
    "npz of a long array": archive(("a.npy", GOOD + b"x")),
    "npz of objects": archive(("a.npy", saved(np.array([[{}]], dtype=object), allow_pickle=True))),
    "npz wrong checksum": patched(archive(("a.npy", GOOD)), TABLE.tobytes(), TABLE[::-1].tobytes()),
    "npz damaged stream": PACKED[:60] + bytes(20) + PACKED[80:],
    "npz encrypted": with_flag(archive(("a.npy", GOOD)), 1),
    "npz strongly encrypted": with_flag(archive(("a.npy", GOOD)), 0x40),
    "npz patched": with_flag(archive(("a.npy", GOOD)), 0x20),
    "npz lzma": archive(("a.npy", GOOD), method=zipfile.ZIP_LZMA),
    "npz bzip2": archive(("a.npy", GOOD), method=zipfile.ZIP_BZIP2),
    "npz unknown method": with_method(archive(("a.npy", GOOD)), 77),
    "npz bomb in its header": archive(("a.npy", BOMB)),
    "npz bomb": archive(("a.npy", npy("(16000000, 3)", data=bytes(16_000_000))), method=zipfile.ZIP_DEFLATED),
    "npz claims 4 GB": forged_size(PACKED, 2**32 - 2),
    "npz claims little": forged_size(PACKED, 10),
    "npz of many entries": many_entries(50_000),
    "npz of many small entries": many_entries(3000),
    "npz in an npz": archive(("a.npy", PACKED)),
    "zlib": zlib.compress(GOOD),
}
if LONG.itemsize > 8:
    HOSTILE["long double out of range"] = saved(np.array([[np.longdouble("1e4000"), 1]]))

FAIR: dict[str, tuple[bytes, np.ndarray]] = {
    "plain": (GOOD, TABLE),
    "version 2": (npy(version=(2, 0)), TABLE),
    "column by column": (saved(np.asfortranarray(TABLE)), TABLE),
    "big-endian": (saved(TABLE.astype(">f8")), TABLE),
    "halves": (saved(TABLE.astype(np.float16)), TABLE),
    "singles": (saved(TABLE.astype(np.float32)), TABLE),
    "long doubles": (saved(TABLE.astype(np.longdouble)), TABLE),
    "integers": (saved(TABLE.astype(np.int8)), TABLE),
    "unsigned": (saved(np.array([[2**64 - 1, 0]], dtype=np.uint64)), np.array([[2.0**64, 0.0]])),
    "truth values": (saved(TABLE > 3), (TABLE > 3).astype(float)),
    "npz": (archive(("a.npy", GOOD)), TABLE),
    "npz packed": (PACKED, TABLE),
    "npz of another path": (archive(("../../etc/a.npy", GOOD)), TABLE),
    "npz without a suffix": (archive(("a", GOOD)), TABLE),
    "npz column by column": (archive(("a.npy", saved(np.asfortranarray(TABLE)))), TABLE),
}
