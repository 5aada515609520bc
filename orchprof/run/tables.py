"""The tables of a run, read: what leaves here has the schema's columns and types, and does not contradict itself."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

from orchprof import files
from orchprof.errors import UnfitRunError
from orchprof.run.contradictions import contradictions
from orchprof.run.schema import ADDED, TABLES

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

MOST_ROWS: Final = 200_000_000  # of one table: no run that anybody made has more


def read(path: Path) -> "dict[str, pd.DataFrame]":
    """Return the tables of the run at `path`, columns and dtypes as the schema has them.

    Raises:
        UnfitRunError: one lacks, is unreadable or not as the schema has it, or they contradict themselves.
    """
    import pyarrow as pa

    tables = {}
    for name in TABLES:
        try:
            tables[name] = _read(path / f"{name}.parquet", name)
        except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
            why = str(error) if isinstance(error, files.UnreadableError) else type(error).__name__
            raise UnfitRunError(
                f"unreadable table, {name}.parquet @ {path}, {why}: record it again"
            ) from None
    for fault in contradictions(tables):
        raise UnfitRunError(f"{fault} in {path}, restore it or record the run again")
    return {name: _as_pandas(tables.pop(name), name) for name in TABLES}


def read_one(path: Path, name: str) -> "pd.DataFrame":
    """Return one table of a run that was finalized just now, as `read` does, unchecked against the others."""
    return _as_pandas(_read(path / f"{name}.parquet", name), name)


def _read(path: Path, name: str) -> "pa.Table":
    import pyarrow.parquet as pq

    if not files.is_file(path):
        raise files.UnreadableError("there is no such file")
    with pq.ParquetFile(path, memory_map=True) as file:
        if file.metadata.num_rows > MOST_ROWS:
            raise files.UnreadableError(f"{file.metadata.num_rows} rows are more than {MOST_ROWS}")
        held = file.schema_arrow.names
        return _typed(file.read(columns=[column for column in TABLES[name] if column in held]), name)


def _typed(table: "pa.Table", name: str) -> "pa.Table":
    """Return a table with its columns in the order and the types of the schema; one that came later may lack.

    Raises:
        UnreadableError: another lacks, or one is of another type or has no value where there has to be one.
    """
    import pyarrow as pa

    lacks = [column for column in TABLES[name] if column not in table.column_names]
    missing = [column for column in lacks if column not in ADDED.get(name, ())]
    if missing:
        raise files.UnreadableError(f"no column {missing[0]}")
    columns = {
        column: pa.nulls(table.num_rows, _arrow(dtype))
        if column in lacks
        else _cast(table.column(column), column, dtype)
        for column, dtype in TABLES[name].items()
    }
    return pa.table(columns)


def _arrow(dtype: str) -> "pa.DataType":
    import pyarrow as pa

    return {"int64": pa.int64(), "bool": pa.bool_(), "boolean": pa.bool_()}.get(dtype.lower(), pa.string())


def _cast(values: "pa.ChunkedArray", column: str, dtype: str) -> "pa.ChunkedArray":
    import pyarrow as pa

    held, wanted = values.type, _arrow(dtype)
    if pa.types.is_dictionary(held):
        held = held.value_type
    is_one = {pa.int64(): pa.types.is_integer, pa.bool_(): pa.types.is_boolean}.get(wanted, _is_text)
    if not is_one(held) and not pa.types.is_null(held):
        raise files.UnreadableError(f"column {column} is {held}, not {dtype}")
    if dtype in ("int64", "bool") and values.null_count:
        raise files.UnreadableError(f"column {column} has no value in {values.null_count} rows")
    return values.cast(wanted)


def _is_text(held: "pa.DataType") -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(held) or pa.types.is_large_string(held))


def _as_pandas(table: "pa.Table", name: str) -> "pd.DataFrame":
    import pandas as pd
    import pyarrow as pa

    nullable = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
    columns = {
        column: table.column(column).to_pandas(
            types_mapper=nullable.get if dtype in ("Int64", "boolean") else None
        )
        for column, dtype in TABLES[name].items()
    }
    return pd.DataFrame(columns, copy=False).astype(TABLES[name])
