"""A job of tresnet-batch once a day: plan, ranges of parts as mapped tasks, report, gate.

For Airflow 3, in the folder of its DAGs. Job file, program and parts a task are parameters of a run. Their defaults, and
all other settings of a site, come from the environment of scheduler and workers (see `setting`). A run's day is the job
file's `${DATE}`. docs/scheduling.md describes failures, overlap and growing inputs.
"""

import json
import math
import os
import shlex
import subprocess
from datetime import datetime, timedelta

from airflow.sdk import DAG, BaseOperator, Param, task
from airflow.sdk.exceptions import AirflowException, AirflowFailException

# exit codes that are retried (docs/exit-codes.md); every other one fails the task at once
TRY_AGAIN = (69, 74, 75)
# the program ends by itself within `limits.grace_seconds` (25 s) of SIGTERM
STOP_SECONDS = 40
# Airflow maps over at most `core.max_map_length` values, 1024 by default
MOST_TASKS = 1000


def setting(name, default):
    return os.environ.get(f"TRESNET_BATCH_{name}", default)


class TresnetBatch(BaseOperator):
    """Runs a command of the program. The object that it prints with `--json` becomes the task's XCom."""

    template_fields = ("program", "job", "date")

    def __init__(self, *, command, options=(), parts=None, also_well=(), **kwargs):
        super().__init__(**kwargs)
        self.program = "{{ params.program }}"
        self.job = "{{ params.job }}"
        # a run that was triggered by hand may have no logical date
        self.date = "{{ ds if ds is defined else dag_run.run_after | ds }}"
        self.command = command
        self.options = list(options)
        self.parts = parts
        self.also_well = tuple(also_well)
        self.process = None

    def execute(self, context):
        arguments = [self.program, self.command, self.job, "--json", "--date", self.date, *self.options]
        if self.parts:
            arguments += ["--parts", self.parts]
        self.log.info("$ %s", shlex.join(arguments))
        self.process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
        last = ""
        try:
            for line in self.process.stdout:
                last = line.rstrip("\n")
                self.log.info("%s", last)
            code = self.process.wait()
        except BaseException:  # the task timed out or was interrupted
            self.stop()
            raise
        if code == 0 or code in self.also_well:
            return json.loads(last)
        how = f"exit code {code}" if code > 0 else f"ended by signal {-code}"
        message = f"{self.command}: {how}: {error_in(last)}"
        # a program that was killed has lost its open parts at most, and resumes
        if code < 0 or code in TRY_AGAIN:
            raise AirflowException(message)
        raise AirflowFailException(message)

    def stop(self):
        self.process.terminate()
        try:
            self.process.communicate(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def on_kill(self):
        # Airflow allows no more than a few seconds here; the program ends by itself
        if self.process and self.process.poll() is None:
            self.process.terminate()


def error_in(line):
    try:
        return json.loads(line)["error"]
    except (ValueError, KeyError, TypeError):
        return "no summary; what it said is in the log above"


with DAG(
    dag_id=setting("DAG_ID", "tresnet_batch"),
    doc_md=__doc__,
    schedule=setting("SCHEDULE", "@daily"),
    start_date=datetime(2026, 1, 1),
    catchup=False,
    # which images are new today depends on the outputs that are finished
    max_active_runs=1,
    params={
        "job": Param(setting("JOB", "/etc/tresnet-batch/photos.toml"), type="string"),
        "program": Param(setting("PROGRAM", "tresnet-batch"), type="string"),
        "parts_a_task": Param(int(setting("PARTS_A_TASK", "64")), type="integer", minimum=1),
    },
    default_args={
        "retries": int(setting("RETRIES", "5")),
        "retry_delay": timedelta(seconds=float(setting("RETRY_SECONDS", "60"))),
        "retry_exponential_backoff": True,
        "max_retry_delay": timedelta(minutes=30),
        "execution_timeout": timedelta(minutes=float(setting("TASK_MINUTES", "360"))),
    },
):
    plan = TresnetBatch(task_id="plan", command="plan", options=["--write"])

    @task
    def ranges(planned, params=None):
        """`A-B` for every task, both inclusive. A plan without parts is finished by a run of the whole job."""
        parts = planned["parts"]
        size = max(params["parts_a_task"], math.ceil(parts / MOST_TASKS))
        return [f"{first}-{min(first + size, parts) - 1}" for first in range(0, parts, size)] or [""]

    # the range that finishes the job would also check its gates, which is the gate's task
    run = TresnetBatch.partial(
        task_id="run",
        command="run",
        options=["--set", "report.require=[]"],
        pool=setting("POOL", "default_pool"),
        map_index_template="{{ task.parts }}",
    ).expand(parts=ranges(plan.output))

    @task.short_circuit
    def anything_new(planned):
        """Skips the report and the gate on a day without new images, which has no rows to judge."""
        return planned["rows"] > 0

    # a report is written, and is a result, whether or not the gates in it hold
    report = TresnetBatch(task_id="report", command="report", also_well=[65])
    # a run of a finished job checks only its gates
    gate = TresnetBatch(task_id="gate", command="run")

    run >> anything_new(plan.output) >> report >> gate
