"""The operator of infra/airflow outside a DAG's run, on Airflow's own interpreter.

    airflow_operator.py codes PROGRAM CODE…            PROGRAM ends with the code that is given to it as its job
    airflow_operator.py timeout PROGRAM JOB PARTS      as Airflow does when `execution_timeout` is over
    airflow_operator.py kill PROGRAM JOB PARTS         as Airflow does when a task is cleared or marked in mid-run

The latter two happen when `out`, beside the job file, has PARTS parts. Prints one JSON value: for `codes` the end of each
task, else the exception and the program's exit code.
"""

import importlib.util
import json
import signal
import sys
import threading
import time
from pathlib import Path

from airflow.sdk.execution_time.timeout import timeout

DAG = Path(__file__).parents[2] / "infra/airflow/tresnet_batch_dag.py"
spec = importlib.util.spec_from_file_location("tresnet_batch_dag", DAG)
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)


def operator(command, program, job, **more):
    made = module.TresnetBatch(task_id=f"alone_{command}", command=command, **more)
    # what Airflow makes of the templates
    made.program, made.job, made.date = program, job, "2026-11-24"
    return made


def ended(made):
    try:
        return made.execute({}), None
    except BaseException as error:  # Airflow's timeout is not an Exception
        return None, error


def when_parts_stand(output, parts, act):
    while len(list(output.glob("part-*.parquet"))) < parts:
        time.sleep(0.005)
    act()


mode, program, *rest = sys.argv[1:]
if mode == "codes":
    answers = {}
    for code in rest:
        result, error = ended(operator("report", program, code, also_well=[65]))
        answers[code] = [type(error).__name__, str(error)] if error else ["well", result]
    print(json.dumps(answers))
else:
    job, parts = rest[0], int(rest[1])
    made = operator("run", program, job)
    # the alarm of `timeout` is brought forward, since no number of seconds is mid-run on every machine
    act = made.on_kill if mode == "kill" else lambda: signal.setitimer(signal.ITIMER_REAL, 0.001)
    threading.Thread(target=when_parts_stand, args=(Path(job).parent / "out", parts, act), daemon=True).start()
    with timeout(100):
        _, error = ended(made)
    print(json.dumps({"error": type(error).__name__, "says": str(error), "exit": made.process.returncode}))
