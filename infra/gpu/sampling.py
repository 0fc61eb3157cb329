"""What nvidia-smi reports about a GPU while something runs on it."""

import statistics
import subprocess

FIELDS = ("utilization.gpu", "clocks.sm", "clocks.mem", "power.draw", "temperature.gpu")
EVERY_MS = 200


class Sampler:
    """A context in which one device is sampled; `values` has a list for each field afterwards."""

    def __init__(self, device=0):
        self.device, self.values, self.process = device, {field: [] for field in FIELDS}, None

    def __enter__(self):
        command = ["nvidia-smi", f"--id={self.device}", f"--query-gpu={','.join(FIELDS)}"]
        command += ["--format=csv,noheader,nounits", f"--loop-ms={EVERY_MS}"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        said, _ = self.process.communicate()
        for line in said.splitlines():
            words = [word.strip() for word in line.split(",")]
            # the last line may be cut off
            if len(words) == len(FIELDS):
                for field, word in zip(FIELDS, words):
                    self.read(field, word)

    def read(self, field, word):
        try:
            self.values[field].append(float(word))
        except ValueError:
            # a field that the device does not have is "[N/A]"
            pass

    def summary(self):
        """Least, median and most of each field that was there."""
        return {
            field: [min(values), statistics.median(values), max(values)] for field, values in self.values.items() if values
        }
