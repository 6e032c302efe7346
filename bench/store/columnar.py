"""Samples in a columnar database of general use: a table sorted by series and time, and the same as Parquet."""

import sys

import duckdb

samples, series, database, parquet = sys.argv[1:]
db = duckdb.connect(database, config={"threads": 1})
db.execute(
    "CREATE TABLE samples AS SELECT * FROM read_csv(?, header=false, "
    "columns={'series': 'UINTEGER', 'time': 'BIGINT', 'value': 'DOUBLE'}) ORDER BY series, time",
    [samples],
)
db.execute(
    "CREATE TABLE series AS SELECT * FROM read_csv(?, header=false, delim='\t', quote='', escape='', "
    "columns={'series': 'UINTEGER', 'labels': 'VARCHAR'})",
    [series],
)
db.execute("CHECKPOINT")
db.execute(f"COPY (SELECT * FROM samples) TO '{parquet}' (FORMAT parquet, COMPRESSION zstd, PARQUET_VERSION v2)")
print(db.execute("SELECT count(*) FROM samples").fetchone()[0])
