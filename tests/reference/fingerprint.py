"""The fingerprint of a job.json without some components, as src/job/fingerprint.rs documents it, written again:
fingerprint.py JOB.JSON [COMPONENT ...]"""

import hashlib
import json
import sys

components = json.load(open(sys.argv[1]))["components"]
digest = hashlib.sha256()
for name in sorted(set(components) - set(sys.argv[2:])):
    pair = json.dumps([name, components[name]], separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    digest.update(f"{pair}\n".encode())
print(json.dumps(digest.hexdigest()))
