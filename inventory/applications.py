"""Which application lies in a folder: signatures as data (`applications.yml`), recognised by files, never by running them.

In: the paths of marker files that exist, and lines of their version files.  Out: name and version.  Pure but for reading the data file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

from inventory import yamlfile


class Signature(BaseModel):
    """One application."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    marker: Annotated[str, Field(pattern=r"^[A-Za-z0-9._/-]+$")]
    version: tuple[str, str]
    config: Annotated[str, Field(pattern=r"^[A-Za-z0-9._/-]+$")]

    @field_validator("version")
    @classmethod
    def _compiles(cls, value: tuple[str, str]) -> tuple[str, str]:
        if re.compile(value[1]).groups != 1:
            raise ValueError("the version's pattern needs one group")
        return value


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")
    applications: list[Signature]


@cache
def signatures() -> tuple[Signature, ...]:
    """What ships.  Raises ConfigurationError with `file:line:column`."""
    return tuple(yamlfile.read(Path(__file__).with_name("applications.yml")).validate(_File).applications)


def version(signature: Signature, lines: Mapping[str, list[str]]) -> str:
    """The version that its file tells, '' when it tells none; `lines` maps a relative path to its first lines."""
    for line in lines.get(signature.version[0], []):
        match = re.search(signature.version[1], line[:500])
        if match:
            return match.group(1)
    return ""
