"""A plan as a document: its fingerprint, its canonical form, and its way from and to `plans/<id>/plan.yml`.

In: a plan's content as plain data, or a file.  Out: the same as plain data in one canonical form, or every problem at once, each at its
`file:line:column`.  The fingerprint is SHA-256 over all of the document but `id` and `fingerprint`.  There is no clock and no chance in
it: same content, same bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from inventory import yamlfile
from inventory.errors import ConfigurationError, InputError, PlanError
from planner import planchecks
from planner.planchecks import Path_
from planner.planmodel import FORMAT, Plan

__all__ = ["FILE", "FORMAT", "canonical", "digest", "fingerprint", "load", "made", "parsed", "read", "text", "write"]

FILE = "plan.yml"


def canonical(data: Any) -> str:
    """One text for one value, whatever the order in which it was built."""
    return json.dumps(data, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def digest(data: Any) -> str:
    """SHA-256 over the canonical text."""
    return hashlib.sha256(canonical(data).encode()).hexdigest()


def fingerprint(plain: Mapping[str, Any]) -> str:
    """The fingerprint that a document should have."""
    return digest({name: value for name, value in plain.items() if name not in {"id", "fingerprint"}})


def made(content: Mapping[str, Any]) -> dict[str, Any]:
    """A document from its content (without format, id and fingerprint), in canonical form.  Raises PlanError with all that is wrong."""
    draft = {**content, "format": FORMAT, "id": "plan-" + "0" * 10, "fingerprint": "0" * 64}
    try:
        plain = Plan.model_validate(draft).plain()
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()]
        raise PlanError("this is no plan:\n" + "\n".join(lines)) from error
    plain["fingerprint"] = fingerprint(plain)
    plain["id"] = f"plan-{plain['fingerprint'][:10]}"
    wrong = [f"{'.'.join(map(str, path))}: {what}" for path, what in planchecks.problems(Plan.model_validate(plain))]
    if wrong:
        raise PlanError("this is no plan:\n" + "\n".join(wrong))
    return plain


# ---------------------------------------------------------------- from and to the file


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]  # the C one where libyaml is there
    """YAML without anchors: a reader of a diff should not have to look them up."""

    def ignore_aliases(self, _data: Any) -> bool:
        """Nothing is written as a reference."""
        return True


def text(plain: Mapping[str, Any]) -> str:
    """The document as YAML, keys in the document's order."""
    written: str = yaml.dump(dict(plain), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120, line_break="\n")
    return written


def write(plain: Mapping[str, Any], folder: Path) -> Path:
    """Write `plan.yml` whole or not at all; the same document gives the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILE
    draft = folder / f".{FILE}.{os.getpid()}"
    draft.write_text(text(plain), encoding="utf-8", newline="\n")
    draft.replace(path)
    return path


def load(path: Path) -> dict[str, Any]:
    """Read a plan that nobody may have changed.  Raises PlanError when somebody did, InputError and ConfigurationError as `read` does."""
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506  (both are safe)
        plain = Plan.model_validate(data).plain()
    except (OSError, ValueError, yaml.YAMLError, RecursionError):
        plain, _ = read(path, derived=False)  # slower, and tells the places
    _unchanged(plain, path)
    return plain


def _unchanged(plain: Mapping[str, Any], path: Path) -> None:
    if fingerprint(plain) != plain["fingerprint"]:
        raise PlanError(
            f"{path} is not what was planned: its fingerprint does not match",
            hint=f"planner plan check {path} shows what was changed; planner plan adopt takes it over; planner plan makes the plan anew",
        )


def read(path: Path, *, derived: bool = True) -> tuple[dict[str, Any], yamlfile.Document]:
    """A plan that may have been edited, and where each part of it stands.

    Without `derived`, what follows from other parts (sums of waves, members of groups, the fingerprint) need not agree with them.
    Raises ConfigurationError with all problems at once, PlanError for a plan of an earlier version, InputError when it cannot be read.
    """
    document = yamlfile.read(path)
    return parsed(document, derived=derived), document


def parsed(document: yamlfile.Document, *, derived: bool = True) -> dict[str, Any]:
    """The plan in a YAML document; see `read`."""
    data = document.data
    if not isinstance(data, dict):
        raise ConfigurationError([f"{document.place(())}: this is no plan: keys and values are expected"])
    version = data.get("format", 1 if "moves" in data else None)
    if type(version) is int and version < FORMAT:
        raise PlanError(f"{document.name} was made by an earlier version", hint="planner plan makes it anew")
    if type(version) is int and version > FORMAT:
        raise InputError(
            f"{document.place(('format',))}: format {version}: this planner reads format {FORMAT}", hint="a newer planner made it"
        )
    try:
        plan = Plan.model_validate(data)
    except ValidationError as error:
        problems = [(tuple(part for part in item["loc"] if isinstance(part, (str, int))), item["msg"]) for item in error.errors()]
        problems = list(dict.fromkeys(problems))
        problems += planchecks.of_the_rest(data, [path for path, _ in problems])
        raise ConfigurationError(_placed(document, problems)) from error
    found, plain = planchecks.problems(plan, derived=derived), plan.plain()
    if derived and not found and fingerprint(plain) != plan.fingerprint:
        found.append((("fingerprint",), "it does not match the content: somebody changed the plan (planner plan adopt takes changes over)"))
    if found:
        raise ConfigurationError(_placed(document, found))
    return plain


def _placed(document: yamlfile.Document, problems: list[tuple[Path_, str]]) -> list[str]:
    lines = []
    for path, what in problems:
        known = next((path[:length] for length in range(len(path), -1, -1) if path[:length] in document.places), ())
        line, column = document.places.get(known, (1, 1))
        lines.append((line, column, f"{document.name}:{line}:{column}: {'.'.join(map(str, path)) or 'the plan'}: {what}"))
    return [text for _, _, text in sorted(lines)]
