"""The extra `cuda` of the wheel names each package of the pins, with its version: wheel_pins.py PYPROJECT PINS."""

import re
import sys
import tomllib

with open(sys.argv[1], "rb") as file:
    extra = tomllib.load(file)["project"]["optional-dependencies"]["cuda"]
with open(sys.argv[2], encoding="utf-8") as file:
    pins = re.findall(r"^([a-z0-9-]+==[^ ]+)", file.read(), re.MULTILINE)
assert len(pins) > 4, pins
assert sorted(extra) == sorted(pins), (extra, pins)
