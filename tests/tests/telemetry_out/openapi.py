"""Holds answers against a description in OpenAPI 3.1, which a running server gives.

On standard input: {"answers": [[method, path, status, body]], "left": [path, ...]}. Every path that is described has to be
asked for or be among those left out, and none of those may be answered."""

import json
import re
import sys
import urllib.request

import jsonschema
import yaml

description = yaml.safe_load(urllib.request.urlopen(sys.argv[1]))
given = json.load(sys.stdin)
templates = {
    path: re.compile(re.sub(r"\{[^}]*\}", "[^/]+", path) + "$") for path in description["paths"]
}
problems, asked = [], set()
for method, path, status, body in given["answers"]:
    template = next((name for name, pattern in templates.items() if pattern.match(path)), None)
    operation = description["paths"].get(template, {}).get(method.lower())
    if operation is None:
        # More than what is described may be answered, such as a GET by POST.
        continue
    asked.add(template)
    responses = operation["responses"]
    answer = responses.get(str(status), responses["default"])
    schema = {**answer["content"]["application/json"]["schema"], "components": description["components"]}
    for error in jsonschema.Draft202012Validator(schema).iter_errors(body):
        problems.append(f"{method} {path} ({status}): {error.json_path}: {error.message[:300]}")
left = set(given["left"])
problems += [f"not asked for: {path}" for path in sorted(templates.keys() - asked - left)]
problems += [f"asked for, and listed as left out: {path}" for path in sorted(left & asked)]
problems += [f"left out, and not described: {path}" for path in sorted(left - templates.keys())]
print("\n".join(problems) or f"{len(given['answers'])} answers, {len(asked)} of {len(templates)} paths")
sys.exit(bool(problems))
