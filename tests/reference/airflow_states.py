"""Prints the run of one day, or the only one, from an Airflow database: airflow_states.py DATABASE [YYYY-MM-DD].

Prints a JSON object: `state` of the run, and `tasks`, a list of objects with `task`, `index` (-1 where it is not mapped),
`state`, `tries` and `xcom` (what the task returned, if anything).
"""

import json
import sqlite3
import sys

database, *days = sys.argv[1:]
with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
    of_the_day = "WHERE date(logical_date) = ?" if days else ""
    found = connection.execute(f"SELECT run_id, state FROM dag_run {of_the_day}", days).fetchone()
    # a scheduler may not have begun it
    run, state = found or (None, None)
    xcoms = {
        (task, index): json.loads(value) if isinstance(value, (str, bytes)) else value
        for task, index, value in connection.execute(
            "SELECT task_id, map_index, value FROM xcom WHERE run_id = ? AND key = 'return_value'", (run,)
        )
    }
    tasks = [
        {"task": task, "index": index, "state": state, "tries": tries, "xcom": xcoms.get((task, index))}
        for task, index, state, tries in connection.execute(
            "SELECT task_id, map_index, state, try_number FROM task_instance WHERE run_id = ? ORDER BY task_id, map_index",
            (run,),
        )
    ]
print(json.dumps({"state": state, "tasks": tasks}))
