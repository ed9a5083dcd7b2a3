"""Tables as Parquet; imported only when one is written, since it needs PyArrow."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

__all__ = ["parquet_bytes"]


def parquet_bytes(columns: Mapping[str, Sequence[Any]]) -> bytes:
    """Return columns of equal length as the bytes of a Parquet file.

    Parameters
    ----------
    columns : mapping of str to sequence
        Numbers, words or None, which becomes null.

    Returns
    -------
    bytes
        The file.
    """
    buffer = io.BytesIO()
    pq.write_table(pa.table({name: pa.array(list(values)) for name, values in columns.items()}), buffer)
    return buffer.getvalue()
