"""Reads what operators' tools read, with those tools' own libraries.

    monitoring.py metrics FILE...   each file by Prometheus's client: families with type and help, and all samples
    monitoring.py rules FILE        the alerts of a rules file: name, expression, duration, labels, annotations
    monitoring.py query URL EXPR... the values of each expression on the Prometheus at URL now: labels and values

Prints JSON.
"""

import json
import sys
import urllib.error
import urllib.parse
import urllib.request

import yaml
from prometheus_client.parser import text_string_to_metric_families


def metrics(path):
    with open(path, encoding="utf-8", newline="") as file:
        families = list(text_string_to_metric_families(file.read()))
    return {
        "families": {family.name: {"type": family.type, "help": family.documentation} for family in families},
        "samples": [
            {"name": sample.name, "labels": sample.labels, "value": float(sample.value), "type": family.type}
            for family in families
            for sample in family.samples
        ],
    }


def rules(path):
    with open(path, encoding="utf-8") as file:
        groups = yaml.safe_load(file)["groups"]
    return [rule for group in groups for rule in group["rules"]]


def query(url, expression):
    try:
        with urllib.request.urlopen(f"{url}/api/v1/query?" + urllib.parse.urlencode({"query": expression})) as answer:
            data = json.load(answer)["data"]
    except urllib.error.HTTPError as refusal:
        sys.exit(f"{expression}\n{refusal.read().decode()}")
    # a scalar is a sample without labels
    samples = data["result"] if data["resultType"] == "vector" else [{"metric": {}, "value": data["result"]}]
    return [{"labels": sample["metric"], "value": float(sample["value"][1])} for sample in samples]


match sys.argv[1:]:
    case ["metrics", *paths]:
        print(json.dumps([metrics(path) for path in paths]))
    case ["rules", path]:
        print(json.dumps(rules(path)))
    case ["query", url, *expressions]:
        print(json.dumps([query(url, expression) for expression in expressions]))
    case _:
        sys.exit(__doc__)
