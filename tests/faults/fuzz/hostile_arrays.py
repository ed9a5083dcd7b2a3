"""Array files with hostile headers and contents: name -> function that writes the file."""

import io
import zipfile

import numpy as np

__all__ = ["ARRAYS"]

MAGIC = b"\x93NUMPY"


def _npy(header, data=b"", version=(1, 0)):
    text = header.encode("latin-1").ljust(117) + b"\n"
    return MAGIC + bytes(version) + len(text).to_bytes(2, "little") + text + data


def _header(shape="(3, 2)", descr="'<f8'", order="False"):
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}"


def _saved(array, **options):
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def _zipped(entries, method=zipfile.ZIP_DEFLATED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return file.getvalue()


HEADERS = {
    "npy of 10^11 rows": _npy(_header("(100000000000, 3)")),
    "npy of 10^30 rows": _npy(_header("(1" + "0" * 30 + ", 3)")),
    "npy with negative shape": _npy(_header("(-3, 2)"), bytes(48)),
    "npy with shape of floats": _npy(_header("(3.0, 2)"), bytes(48)),
    "npy with empty shape": _npy(_header("()"), bytes(8)),
    "npy with zero rows": _npy(_header("(0, 4)")),
    "npy with zero columns": _npy(_header("(4, 0)")),
    "npy of objects": _npy(_header(descr="'|O'"), b"cos\nsystem\n(S'touch pickle_ran'\ntR."),
    "npy of strings": _npy(_header(descr="'<U9'"), bytes(216)),
    "npy of records": _npy(_header(descr="[('a', '<f8'), ('b', '<i4')]"), bytes(72)),
    "npy of dates": _npy(_header(descr="'<M8[D]'"), bytes(48)),
    "npy of complex": _npy(_header(descr="'<c16'"), bytes(96)),
    "npy of an unknown kind": _npy(_header(descr="'<q9'"), bytes(48)),
    "npy with code in the header": _npy("__import__('os').system('touch pickle_ran')"),
    "npy with a deep header": _npy("(" * 100 + ")" * 10),
    "npy with a missing key": _npy("{'descr': '<f8'}"),
    "npy with a control in the header": _npy("{'descr': '\x1b[31mRED', 'fortran_order': False, 'shape': (1,)}"),
    "npy of version 9": _npy(_header(), bytes(48), (9, 9)),
    "npy with too little data": _npy(_header(), bytes(10)),
    "npy with too much data": _npy(_header(), bytes(4800)),
    "npy of the header only": MAGIC,
    "npy of a huge header": MAGIC + b"\x02\x00\xff\xff\xff\x7f" + b"{" * 1000,
    "npy in fortran order": _saved(np.asfortranarray(np.arange(12.0).reshape(3, 4))),
    "npy with nan": _saved(np.array([[1.0, np.nan, 0, 0], [0, 1, 2, 3]])),
    "npy with infinity": _saved(np.array([[1.0, np.inf, 0, 0], [0, 1, 2, 3]])),
    "npy of zeros": _saved(np.zeros((3, 4))),
    "npy of 1e308": _saved(np.full((3, 4), 1e308)),
    "npy of 1e-320": _saved(np.full((3, 4), 1e-320)),
    "npy of one number": _saved(np.array(3.0)),
    "npy of one dimension": _saved(np.arange(4.0)),
    "npy of four dimensions": _saved(np.ones((2, 1, 2, 2))),
    "npy of booleans": _saved(np.ones((3, 4), dtype=bool)),
    "npy of big integers": _saved(np.full((3, 4), 2**63 - 1)),
    "npy of long doubles": _saved(np.ones((3, 4), dtype=np.longdouble)),
    "npy in the other byte order": _saved(np.ones((3, 4), dtype=">f8")),
    "npy of pickled objects": _saved(np.array([[1, "x"]], dtype=object), allow_pickle=True),
    "npz without arrays": _zipped([]),
    "npz of two arrays": _zipped([("a.npy", _saved(np.ones((2, 4)))), ("b.npy", _saved(np.ones((2, 4))))]),
    "npz of texts": _zipped([("a.txt", b"hello")]),
    "npz that climbs": _zipped([("../../climbed.npy", _saved(np.ones((2, 4))))]),
    "npz with a control": _zipped([("\x1b[31mRED.npy", _saved(np.ones((2, 4)))), ("b.npy", b"")]),
    "npz of objects": _zipped([("points.npy", _saved(np.array([[1, "x"]], dtype=object), allow_pickle=True))]),
    "npz of npz": _zipped([("points.npy", _zipped([("points.npy", _saved(np.ones((2, 4))))]))]),
    "npz of a damaged entry": _zipped([("points.npy", _saved(np.ones((200, 4))))])[:-300] + bytes(300),
    "npz with an empty entry": _zipped([("points.npy", b"")]),
}


def _bomb(path, choose):
    header = _npy(_header("(200000000, 4)"))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("points.npy", "w") as entry:
        entry.write(header)
        for _ in range(8):
            entry.write(bytes(1 << 24))


def _large(path, choose):
    with path.open("wb") as file:
        file.write(_npy(_header("(100000000, 4)")))
        file.truncate(128 + 3200000000)


def _encrypted(path, choose):
    data = bytearray(_zipped([("points.npy", _saved(np.ones((2, 4))))], zipfile.ZIP_STORED))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)


ARRAYS = {
    **{name: lambda path, choose, data=data: path.write_bytes(data) for name, data in HEADERS.items()},
    "npz bomb": _bomb,
    "npy of 3 GB of zeros": _large,
    "npz with an encrypted entry": _encrypted,
}
