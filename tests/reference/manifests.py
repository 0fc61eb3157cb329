"""Builds and checks the manifests of infra/.

    manifests.py build OVERLAY             the objects of a kustomize overlay, JSON
    manifests.py validate OVERLAY [PLANT]  checks them against Kubernetes' schemas; PLANT puts `path=JSON` in first
    manifests.py command OVERLAY INDEX     what a pod of that index starts: its words, and the files of its config map
    manifests.py aws [PLANT]               checks the job definition against botocore's model of the service
    manifests.py aws_command KEY=VALUE …   what a child of the array job starts, with these parameters
"""

import json
import re
import sys
from pathlib import Path

INFRA = Path(__file__).resolve().parent.parent.parent / "infra"
VERSION = "1.34"


def build(overlay):
    """Works as `kustomize build` for the features that these files use; anything else is refused."""
    import jsonpatch
    import yaml

    def of(folder):
        spec = yaml.safe_load((folder / "kustomization.yaml").read_text())
        known = {"apiVersion", "kind", "resources", "configMapGenerator", "images", "patches", "labels"}
        assert set(spec) <= known, set(spec) - known
        objects = []
        for resource in spec.get("resources", []):
            path = folder / resource
            objects += of(path.resolve()) if path.is_dir() else list(yaml.safe_load_all(path.read_text()))
        for generator in spec.get("configMapGenerator", []):
            assert set(generator) == {"name", "files"}, generator
            data = {name: (folder / name).read_text() for name in generator["files"]}
            metadata = {"name": generator["name"]}
            objects.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})
        for patch in spec.get("patches", []):
            operations = yaml.safe_load((folder / patch["path"]).read_text())
            wanted = (patch["target"]["kind"], patch["target"]["name"])
            found = [item for item in objects if (item["kind"], item["metadata"]["name"]) == wanted]
            assert len(found) == 1, wanted
            objects[objects.index(found[0])] = jsonpatch.apply_patch(found[0], operations)
        for label in spec.get("labels", []):
            assert set(label) == {"pairs", "includeTemplates"}, label
            for item in objects:
                places = [item] if pod(item) is None else [item, template(item)]
                for place in places:
                    place.setdefault("metadata", {}).setdefault("labels", {}).update(label["pairs"])
        for image in spec.get("images", []):
            for container in (container for item in objects for container in containers(item)):
                if container["image"].split(":")[0] == image["name"]:
                    container["image"] = f"{image['name']}:{image['newTag']}"
        return objects

    return of((INFRA / "kubernetes" / overlay).resolve())


def template(item):
    """The pod template of a Job or a CronJob, or nothing."""
    job = item.get("spec", {}).get("jobTemplate", item)
    return job.get("spec", {}).get("template", {})


def pod(item):
    return template(item).get("spec")


def containers(item):
    return (pod(item) or {}).get("containers", [])


def plant(value, text):
    """Sets the value at a dotted path."""
    path, new = text.split("=", 1)
    *front, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    for step in front:
        value = value[step]
    value[last] = json.loads(new)


def validate(overlay, *planted):
    import kubernetes_validate

    objects = build(overlay)
    for text in planted:
        plant(objects, text)
    for item in objects:
        kubernetes_validate.validate(item, VERSION, strict=True)
    kinds = [item["kind"] for item in objects]
    return {"tool": f"kubernetes-validate {kubernetes_validate.__version__}", "version": VERSION, "kinds": kinds}


def command(overlay, index):
    objects = build(overlay)
    (container,) = (container for item in objects for container in containers(item))
    values = {"JOB_COMPLETION_INDEX": index}
    for variable in container["env"]:
        if "value" in variable:
            values[variable["name"]] = variable["value"]
        else:
            resource = variable["valueFrom"]["resourceFieldRef"]["resource"]
            values[variable["name"]] = container["resources"]["limits"][resource.removeprefix("limits.")]
    words = [re.sub(r"\$\((\w+)\)", lambda name: values[name[1]], word) for word in container["args"]]
    (files,) = (item["data"] for item in objects if item["kind"] == "ConfigMap")
    (mount,) = (mount["mountPath"] for mount in container["volumeMounts"] if mount["name"] == "job")
    return {"words": container["command"] + words, "files": {f"{mount}/{name}": text for name, text in files.items()}}


def definition():
    return json.loads((INFRA / "aws_batch/job_definition.json").read_text())


def aws(*planted):
    import botocore.session
    from botocore.validate import ParamValidator

    request = definition()
    for text in planted:
        plant(request, text)
    service = botocore.session.get_session().get_service_model("batch")
    shape = service.operation_model("RegisterJobDefinition").input_shape
    report = ParamValidator().validate(request, shape)
    assert not report.has_errors(), report.generate_report()

    def enumerations(value, shape):
        if shape.type_name == "structure":
            for name, item in value.items():
                enumerations(item, shape.members[name])
        elif shape.type_name == "list":
            for item in value:
                enumerations(item, shape.member)
        elif getattr(shape, "enum", None):
            assert value in shape.enum, f"`{value}` is none of {shape.enum}"

    enumerations(request, shape)
    return {"service": service.service_id.hyphenize(), "api": service.api_version, "definition": request}


def aws_command(*parameters):
    request = definition()
    given = {**request["parameters"], **dict(parameter.split("=", 1) for parameter in parameters)}
    words = request["containerProperties"]["command"]
    return [given[word[5:]] if word.startswith("Ref::") and word[5:] in given else word for word in words]


if __name__ == "__main__":
    commands = {"build": build, "validate": validate, "command": command, "aws": aws, "aws_command": aws_command}
    print(json.dumps(commands[sys.argv[1]](*sys.argv[2:])))
