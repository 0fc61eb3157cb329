"""Judges an output on local disk with DuckDB, without the program: `judge.py OUT` prints one JSON object.

`complete`, `rows`, `ok`, `errors` by the committed rows, and `wrong`: the names of the checks that found something.
Plan, parts and footers are tables here and every check is a query; only `_SUCCESS` and heads are read as JSON.
"""

import json
import sys
from pathlib import Path

import duckdb

# Each is a query that gives a row for each defect.
CHECKS = {
    "a planned row does not exist exactly once": """
        SELECT plan.row_id FROM plan JOIN standing USING (part) LEFT JOIN rows USING (row_id)
        GROUP BY plan.row_id HAVING count(rows.row_id) <> 1""",
    "a row is not in the plan": "SELECT row_id FROM rows ANTI JOIN plan USING (row_id, part)",
    "a row is not what was planned": """
        SELECT row_id FROM rows JOIN plan USING (row_id) WHERE rows.key <> plan.key
        OR rows.target IS DISTINCT FROM plan.target OR rows.etag IS DISTINCT FROM plan.etag""",
    "a part is not in the plan": "SELECT part FROM standing WHERE part NOT IN (SELECT part FROM plan)",
    "a footer is of another job": """
        SELECT part FROM footers WHERE key = 'tresnet.fingerprint' AND value <> (SELECT fingerprint FROM job)""",
    "a file is of another job": "SELECT name FROM files WHERE NOT contains(name, (SELECT left(fingerprint, 8) FROM job))",
    "a footer counts wrong": """
        SELECT part FROM (SELECT part, count(*) AS rows, count(*) FILTER (status = 'ok') AS ok,
                                 count(*) FILTER (status = 'error') AS errors FROM rows GROUP BY part)
        UNPIVOT (truth FOR name IN (rows, ok, errors))
        JOIN footers USING (part) WHERE key = 'tresnet.' || name AND value <> truth::VARCHAR""",
    "a row is neither ok nor an error": """
        SELECT row_id FROM rows WHERE status NOT IN ('ok', 'error') OR (status = 'error') <> (error_kind IS NOT NULL)""",
    "rows are out of order": """
        SELECT row_id FROM (SELECT row_id, lag(row_id) OVER (PARTITION BY part ORDER BY position) AS before FROM rows)
        WHERE before > row_id""",
    "planned keys are out of order": """
        SELECT key FROM (SELECT key, lag(key) OVER (ORDER BY row_id) AS before FROM plan) WHERE before >= key""",
    "the chain has a gap": """
        SELECT index FROM (SELECT *, lag(end_part, 1, 0) OVER (ORDER BY index) AS part,
                                  lag(end_row, 1, 0) OVER (ORDER BY index) AS row,
                                  row_number() OVER (ORDER BY index) - 1 AS number FROM heads)
        WHERE first_part <> part OR first_row <> row OR index <> number""",
    "a segment that is not the last one is flagged as the last": """
        SELECT index FROM heads WHERE last AND index <> (SELECT max(index) FROM heads)""",
    "it is finished and a part is missing": """
        SELECT part FROM plan WHERE (SELECT finished FROM job) AND part NOT IN (SELECT part FROM standing)
        UNION ALL SELECT 0 WHERE (SELECT finished FROM job) AND NOT (SELECT bool_or(last) FROM heads)""",
}


def tables(out, database):
    """Fills `job`, `files`, `standing`, `footers`, `rows`, `heads` and `plan`."""
    job = json.loads((out / "_tresnet/job.json").read_text())
    success = out / "_SUCCESS"
    database.execute("CREATE TABLE job AS SELECT ? AS fingerprint, ? AS finished", [job["fingerprint"], success.exists()])
    names = [file.name for file in out.glob("*.parquet")]
    database.execute("CREATE TABLE files AS SELECT unnest(?::VARCHAR[]) AS name", [names])
    own = sorted(str(out / name) for name in names if job["fingerprint"][:8] in name)
    part = "regexp_extract(parse_filename({}), '^part-([0-9]+)-', 1)::INTEGER AS part"
    database.execute("CREATE TABLE standing AS SELECT " + part.format("file") + " FROM (SELECT unnest(?) AS file)", [own])
    database.execute(
        "CREATE TABLE footers AS SELECT decode(key) AS key, decode(value) AS value, "
        + part.format("file_name") + " FROM parquet_kv_metadata(?) WHERE decode(key) LIKE 'tresnet.%'",
        [own],
    )
    database.execute(
        "CREATE TABLE rows AS SELECT row_id, key, etag, target, status, error_kind, file_row_number AS position, "
        + part.format("filename") + " FROM read_parquet(?, filename = true, file_row_number = true)",
        [own],
    )
    segments = [str(path) for path in (out / "_tresnet/plan").iterdir() if "#" not in path.name]
    database.execute(
        """
        CREATE TABLE heads AS
        SELECT parse_filename(file_name)::INTEGER AS index, (head ->> 'first_part')::INTEGER AS first_part,
               (head ->> 'first_row')::BIGINT AS first_row, (head ->> 'last')::BOOLEAN AS last,
               first_part + json_array_length(head -> 'parts') AS end_part,
               first_row + list_sum(list_transform((head -> 'parts')::JSON[], lambda part: (part ->> 0)::BIGINT)) AS end_row
        FROM (SELECT file_name, decode(value)::JSON AS head FROM parquet_kv_metadata(?)
              WHERE decode(key) = 'tresnet.segment')
        """,
        [segments],
    )
    # a row group is a part, so a row's part follows from how many rows the groups before its own hold
    database.execute(
        """
        CREATE TABLE plan AS
        WITH groups AS (
            SELECT DISTINCT parse_filename(file_name)::INTEGER AS index, row_group_id AS number,
                   row_group_num_rows AS rows FROM parquet_metadata(?)),
        ends AS (
            SELECT *, sum(rows) OVER (PARTITION BY index ORDER BY number) AS until FROM groups),
        planned AS (
            SELECT parse_filename(filename)::INTEGER AS index, file_row_number AS position, key, etag, target
            FROM read_parquet(?, filename = true, file_row_number = true))
        SELECT heads.first_row + position AS row_id, heads.first_part + number AS part, key, etag, target
        FROM planned JOIN heads USING (index)
        JOIN ends ON ends.index = planned.index AND position >= until - rows AND position < until
        """,
        [segments, segments],
    )


def judge(out):
    database = duckdb.connect()
    try:
        tables(out, database)
    except duckdb.Error as error:
        return {"complete": None, "wrong": ["a file cannot be read"], "error": str(error).splitlines()[0]}
    wrong = [name for name, query in CHECKS.items() if database.execute(query).fetchone()]
    ask = lambda query: database.execute(query).fetchone()
    rows, ok, errors = ask(
        "SELECT count(*), count(*) FILTER (status = 'ok'), count(*) FILTER (status = 'error') FROM rows"
    )
    parts, = ask("SELECT count(*) FROM standing SEMI JOIN plan USING (part)")
    success = out / "_SUCCESS"
    if success.exists():
        totals = json.loads(success.read_text() or "null")
        if totals is None or totals["totals"] != {"planned": rows, "ok": ok, "error": errors}:
            wrong.append("_SUCCESS counts wrong")
    missing, = ask("SELECT count(DISTINCT part) FROM plan WHERE part NOT IN (SELECT part FROM standing)")
    whole, = ask("SELECT coalesce(bool_or(last), false) FROM heads")
    complete = success.exists() and whole and missing == 0
    return {
        "complete": complete, "parts": parts, "rows": rows, "ok": ok, "errors": errors, "missing_parts": missing,
        "wrong": wrong,
    }


if __name__ == "__main__":
    print(json.dumps(judge(Path(sys.argv[1]))))
