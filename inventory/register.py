"""The units' register: YAML (units, sites, servers) and CSV sheets, Chinese or English headings, every row with its origin.

In: a file.  Out: a `Sheet` of units and declared rows plus the rows that were rejected, each with `file:line` and the reason;
one bad row never stops the others.  `store` writes a sheet into the catalogue.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import netaddr
from sqlalchemy import select
from sqlalchemy.orm import Session

from inventory import model, yamlfile
from inventory.errors import InputError

HEADINGS: Mapping[str, str] = {
    "单位": "unit", "单位代码": "unit", "网站名称": "name", "名称": "name", "域名": "domain", "主域名": "domain", "别名": "aliases",
    "服务器": "server", "用途": "purpose", "类型": "type", "受众": "audience", "负责人": "admin", "网站管理员": "admin",
    "IP地址": "address", "地址": "address", "资产编号": "asset_no", "型号": "model", "操作系统": "os", "位置": "location",
}  # fmt: skip
"""Headings met in units' sheets → field names; English headings are the field names themselves."""


@dataclass(frozen=True)
class Row:
    """A declared site (`key` is its domain) or server (`key` is its address)."""

    kind: str
    key: str
    unit: str
    data: Mapping[str, Any]
    origin: str


@dataclass
class Sheet:
    """What a file declares; `rejected` are `file:line: reason` texts."""

    units: dict[str, dict[str, Any]] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)


def valid_name(text: str) -> bool:
    """Whether text is a DNS name (letters, digits, `-`, `_`; at least two labels; IDNs in their xn-- or Unicode form)."""
    from re import fullmatch

    try:
        ascii_name = text.encode("idna").decode() if not text.isascii() else text
    except UnicodeError:
        return False
    return len(ascii_name) <= 253 and bool(
        fullmatch(r"(?=.*[A-Za-z])([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z0-9-]{1,62}[A-Za-z0-9]", ascii_name)
    )


def read(path: Path) -> Sheet:
    """Read a register file by its ending (.yml, .yaml, .csv).  Raises InputError when the file as a whole cannot be used."""
    ending = path.suffix.lower()
    if ending in {".yml", ".yaml"}:
        return _read_yaml(yamlfile.read(path))
    if ending == ".csv":
        try:
            text = path.read_bytes()
        except OSError as error:
            raise InputError(f"{path}: {error.strerror}") from error
        return _read_csv(_decode(text, path), str(path))
    raise InputError(f"{path}: a register is a .yml or .csv file", hint="save the sheet as CSV (UTF-8 or GB18030)")


def _decode(raw: bytes, path: Path) -> str:
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise InputError(f"{path}: neither UTF-8 nor GB18030", hint="save the sheet as CSV (UTF-8)")


def _read_yaml(document: yamlfile.Document) -> Sheet:
    sheet = Sheet()
    data = document.data
    if not isinstance(data, dict):
        raise InputError(f"{document.place(())}: expected the keys units, sites, servers")
    for key in data:
        if key not in {"units", "sites", "servers"}:
            sheet.rejected.append(f"{document.place((key,))}: unknown key {key!r}; there are units, sites, servers")
    for part in ("units", "sites", "servers"):
        items = data.get(part) or []
        if not isinstance(items, list):
            sheet.rejected.append(f"{document.place((part,))}: {part} must be a list")
            continue
        for index, item in enumerate(items):
            where = document.place((part, index))
            if not isinstance(item, dict):
                sheet.rejected.append(f"{where}: expected a mapping, not {item!r}")
            elif part == "units":
                _take_unit(sheet, item, where)
            else:
                _take_row(sheet, part.removesuffix("s"), item, where)
    return sheet


LONGEST = {"code": 64, "name": 255, "unit": 64}
"""Characters that the catalogue keeps of a cell."""


def _too_long(**cells: Any) -> str:
    for column, value in cells.items():
        for text in value.values() if isinstance(value, dict) else (value,):
            if text is not None and len(str(text)) > LONGEST[column]:
                return f"{column}: longer than {LONGEST[column]} characters: {str(text)[:30]!r}…"
    return ""


def _take_unit(sheet: Sheet, item: Mapping[str, Any], where: str) -> None:
    code = str(item.get("code") or "").strip()
    if not code:
        sheet.rejected.append(f"{where}: a unit needs a code")
        return
    if problem := _too_long(code=code, name=item.get("name")):
        sheet.rejected.append(f"{where}: {problem}")
        return
    if code in sheet.units:
        sheet.rejected.append(f"{where}: the unit {code!r} stands twice")
        return
    for text in item.get("ranges") or []:
        from inventory.scope import parse_range

        try:
            parse_range(str(text))
        except InputError as error:
            sheet.rejected.append(f"{where}: ranges: {error.message}")
            return
    sheet.units[code] = dict(item)


def _take_row(sheet: Sheet, kind: str, item: Mapping[str, Any], where: str) -> None:
    if problem := _too_long(name=item.get("name")):
        sheet.rejected.append(f"{where}: {problem}")
        return
    field_name = "domain" if kind == "site" else "address"
    key = str(item.get(field_name) or "").strip().lower().rstrip(".")
    if kind == "site" and not valid_name(key):
        sheet.rejected.append(f"{where}: domain: {key!r} is not a DNS name" if key else f"{where}: domain is missing")
        return
    if kind == "server":
        try:
            key = str(netaddr.IPAddress(key))
        except (netaddr.AddrFormatError, ValueError):
            sheet.rejected.append(f"{where}: address: {key!r} is not an address" if key else f"{where}: address is missing")
            return
    data = {str(name): value for name, value in item.items() if value not in (None, "")}
    if isinstance(data.get("aliases"), str):
        data["aliases"] = [part for part in data["aliases"].replace("、", " ").replace(",", " ").replace(";", " ").split() if part]
    sheet.rows.append(Row(kind, key, str(item.get("unit") or "").strip(), data, where))


def _read_csv(text: str, name: str) -> Sheet:
    sheet = Sheet()
    reader = csv.reader(io.StringIO(text))
    try:
        heading = next(reader)
    except StopIteration:
        raise InputError(f"{name}:1: the sheet is empty") from None
    fields = [HEADINGS.get(cell.strip(), cell.strip()) for cell in heading]
    kind = "site" if "domain" in fields else "server" if "address" in fields else ""
    if not kind:
        raise InputError(
            f"{name}:1: neither a domain (域名) nor an address (IP地址) column",
            hint=f"headings there: {', '.join(heading)}",
        )
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                item = {key: cell.strip() for key, cell in zip(fields, cells, strict=False) if key}
                _take_row(sheet, kind, item, f"{name}:{reader.line_num}")
    except csv.Error as error:
        sheet.rejected.append(f"{name}:{reader.line_num}: {error}")
    return sheet


def store(session: Session, sheet: Sheet, at: datetime) -> list[str]:
    """Write a sheet; returns the rows that could not be taken because their unit is unknown (`origin: reason`)."""
    for code, item in sheet.units.items():
        names = item.get("name") or {}
        names = names if isinstance(names, dict) else {"en": str(names), "zh": str(names)}
        unit = session.get(model.Unit, code) or model.Unit(code=code)
        unit.name_en, unit.name_zh = str(names.get("en") or code), str(names.get("zh") or names.get("en") or code)
        unit.details = {key: value for key, value in item.items() if key not in {"code", "name"}}
        session.add(unit)
    session.flush()
    known = set(session.scalars(select(model.Unit.code)))
    rejected = []
    for row in sheet.rows:
        if row.unit and row.unit not in known:
            by_name = session.scalar(select(model.Unit.code).where((model.Unit.name_zh == row.unit) | (model.Unit.name_en == row.unit)))
            if by_name is None:
                rejected.append(f"{row.origin}: unit: {row.unit!r} is not in the register")
                continue
            unit_code: str | None = by_name
        else:
            unit_code = row.unit or None
        found = session.scalar(select(model.Declared).where(model.Declared.kind == row.kind, model.Declared.key == row.key))
        if found is None:
            found = model.Declared(kind=row.kind, key=row.key, data={})
            session.add(found)
        found.unit_code = unit_code or found.unit_code
        found.data = {**found.data, **row.data}
        found.origin, found.imported_at = row.origin, at
        if row.kind == "server":
            _take_host(session, row, unit_code)
        session.flush()
    return rejected


def _take_host(session: Session, row: Row, unit_code: str | None) -> None:
    name = str(row.data.get("name") or row.key)
    host = session.scalar(select(model.Host).where(model.Host.address == row.key))
    if host is None:
        taken = session.scalar(select(model.Host).where(model.Host.name == name))
        host = model.Host(name=row.key if taken else name, address=row.key)
        session.add(host)
    host.unit_code = unit_code or host.unit_code
