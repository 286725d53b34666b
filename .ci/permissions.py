"""Expands the template as AWS does and holds every permission in it against the list below: named actions on named resources.

Looked at are all policies of roles, keys and other resources, those that SAM adds included, managed policies, and who may invoke what.
"""

import logging
import os
import sys

from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

# It says for each function that a switch of SAM's own service is not at hand.
logging.getLogger("samtranslator").setLevel(logging.ERROR)

# SAM wants a region to know the partition by; nothing is asked of it.
os.environ.setdefault("AWS_DEFAULT_REGION", "eu-central-1")

# Resource, statement, and what holds the wildcard, each with the reason why nothing narrower will do.
WILDCARDS = {
    ("Key", "TheAccountDecides", "kms:*"): "a key's policy has to leave the key to its account, or nobody can manage it again",
    ("Key", "TheAccountDecides", "*"): "in a key's own policy the only resource is this key, written so",
    ("FlowRunnerRole", "InstanceSecrets", "secret:rockpool/${Deployment}/instances/ins_*"): "made at run time, with six random characters behind the name",
    ("ApiRole", "TheServiceWritesLogs", "log-group:/rockpool/${Deployment}/api:log-stream:*"): "Lambda names the streams",
    ("SweepRole", "TheServiceWritesLogs", "log-group:/rockpool/${Deployment}/sweep:log-stream:*"): "Lambda names the streams",
    ("FlowRunnerRole", "TheServiceWritesLogs", "log-group:/rockpool/${Deployment}/flow-runner:log-stream:*"): "Lambda names the streams",
    ("HealthCheckerRole", "TheServiceWritesLogs", "log-group:/rockpool/${Deployment}/health-checker:log-stream:*"): "Lambda names the streams",
    ("NotifierRole", "TheServiceWritesLogs", "log-group:/rockpool/${Deployment}/notifier:log-stream:*"): "Lambda names the streams",
    ("ApiFunctionAnyRequestPermission", "-", "${__ApiId__}/*/*"): "every stage and route of this API: SAM writes it for the route of any request, and it cannot be switched off",
}


class NoManagedPolicies:
    def load(self):
        return {}


def expand(path):
    with open(path, encoding="utf-8") as file:
        template = yaml_parse(file)
    for resource in template["Resources"].values():
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::Serverless::Function":
            # What `sam package` puts in the place of a folder.
            properties["CodeUri"] = "s3://bucket/key"
    return transform(template, {}, NoManagedPolicies())


def listed(value):
    return value if isinstance(value, list) else [value]


def text(value):
    """An action or resource as one text; a reference to a resource or its ARN is as narrow as can be."""
    if isinstance(value, str):
        return value
    (function, argument), = value.items()
    if function in ("Ref", "Fn::GetAtt"):
        return ""
    if function == "Fn::Sub":
        template, variables = (argument, {}) if isinstance(argument, str) else argument
        # What a variable holds is as much a part of the text as what stands beside it. SAM's own point at the API and its stage.
        for name, held in variables.items():
            template = template.replace("${" + name + "}", text(held) if wild(text(held)) else "${" + name + "}")
        return template
    raise SystemExit(f"a permission is written with {function}, which this check does not read")


def wild(value):
    """How many wildcards a text has."""
    return value.count("*") + value.count("?")


def reason(row, value):
    """Whether a row of the list is about this text: its end, and no wildcard before that."""
    return value.endswith(row[2]) and wild(value) == wild(row[2])


def documents(node):
    """Every policy document below a node."""
    if isinstance(node, dict):
        if "Statement" in node:
            yield node
        for value in node.values():
            yield from documents(value)
    elif isinstance(node, list):
        for value in node:
            yield from documents(value)


def grants(name, resource):
    """Statement, and action or resource, of everything that a resource allows."""
    properties = resource.get("Properties", {})
    for document in documents(properties):
        for statement in listed(document["Statement"]):
            sid = statement.get("Sid", "-")
            if statement["Effect"] != "Allow" or "NotAction" in statement or "NotResource" in statement or "NotPrincipal" in statement:
                yield sid, "*a statement that allows by excluding*"
            for value in listed(statement["Action"]) + listed(statement.get("Resource", [])):
                yield sid, text(value)
            principal = statement.get("Principal", {})
            for value in [principal] if isinstance(principal, str) else [one for many in principal.values() for one in listed(many)]:
                yield sid, text(value)
    for policy in listed(properties.get("ManagedPolicyArns", [])):
        yield "-", f"*the managed policy {policy}*"
    if resource["Type"] == "AWS::Lambda::Permission":
        if "SourceArn" not in properties:
            yield "-", "*anybody of the service*"
        else:
            yield "-", text(properties["SourceArn"])


def main(path):
    template = expand(path)
    faults, used, count = [], set(), 0
    for name, resource in template["Resources"].items():
        for sid, value in grants(name, resource):
            count += 1
            if not wild(value):
                continue
            row = next((row for row in WILDCARDS if row[:2] == (name, sid) and reason(row, value) and row not in used), None)
            if row is None:
                faults.append(f"{name}, statement {sid}: `{value}` is a wildcard without a reason in .ci/permissions.py")
            else:
                used.add(row)
    faults += [f"{row} is in .ci/permissions.py and in no policy" for row in WILDCARDS.keys() - used]
    for fault in faults:
        print(fault, file=sys.stderr)
    if not faults:
        print(f"{count} permissions in {len(template['Resources'])} resources, {len(used)} wildcards, each with its reason")
    return 1 if faults else 0


def sees():
    """What has to be found out, or the rest of this says nothing."""
    row = ("Role", "Sid", "log-group:/rockpool/${Deployment}/api:log-stream:*")
    assert reason(row, "arn:aws:logs:eu:1:log-group:/rockpool/${Deployment}/api:log-stream:*")
    assert not reason(row, "arn:aws:logs:*:1:log-group:/rockpool/${Deployment}/api:log-stream:*"), "a wildcard before the end"
    assert not reason(row, "arn:aws:logs:eu:1:log-group:/rockpool/${Deployment}/*")
    assert text({"Fn::Sub": ["arn:${Where}:table", {"Where": "*"}]}) == "arn:*:table", "a wildcard in a variable"
    assert text({"Fn::Sub": ["arn:${Where}:table", {"Where": {"Ref": "Table"}}]}) == "arn:${Where}:table"
    assert text({"Fn::Sub": ["arn:${A}", {"A": {"Fn::Sub": ["${B}?", {"B": "b"}]}}]}) == "arn:${B}?"


if __name__ == "__main__":
    sees()
    sys.exit(main(sys.argv[1]))
