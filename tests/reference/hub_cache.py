"""Reads a cache with the package huggingface_hub: `hub_cache.py offline|online|known REPO REVISION FILE`, or `scan`.

It is not part of the pinned environment: TRESNET_BATCH_HUGGINGFACE_HUB names an interpreter that has it, and the
tests of src/hub/tests/package.rs run then. HF_ENDPOINT and HF_HOME name the hub and the cache.
"""

import os
import sys

os.environ.setdefault("HF_HUB_DISABLE_XET", "1")
os.environ.setdefault("HF_HUB_DISABLE_UPDATE_CHECK", "1")

import huggingface_hub


def main():
    what, *rest = sys.argv[1:]
    if what == "scan":
        found = huggingface_hub.scan_cache_dir()
        for repo in found.repos:
            files = sum(len(revision.files) for revision in repo.revisions)
            print(repo.repo_id, files, "files", len(found.warnings), "warnings")
        return
    repo, revision, name = rest
    if what == "known":
        path = huggingface_hub.try_to_load_from_cache(repo, name, revision=revision)
        print(path if isinstance(path, (str, type(None))) else "known not to exist")
        return
    offline = what == "offline"
    print(huggingface_hub.hf_hub_download(repo, name, revision=revision, local_files_only=offline))


main()
