"""Dates as people write them in sheets → ISO 8601, no finer than was written: `2024-03-01`, `2024-03` or `2024`.  Pure.

In: text, a number, or a date that the spreadsheet itself knew.  Out: ISO text; `never` for open-ended ones.  Raises `Refused` with a
reason where two readings are possible: a sheet's date is never guessed.
"""

from __future__ import annotations

import math
import re
from datetime import date, datetime, timedelta
from typing import Any

NEVER = "never"
FIRST, LAST = 1980, 2150
"""The years in which sites and servers are declared; what lies outside is a slip of the pen."""
SERIALS = range((date(FIRST, 1, 1) - date(1899, 12, 30)).days, (date(LAST, 1, 1) - date(1899, 12, 30)).days)
"""Excel's day numbers for those years (the 1900 system counts from 1899-12-30 after its false leap day)."""


class Refused(ValueError):
    """Why a cell cannot be used."""


_OPEN = {"长期", "永久", "无期限", "长期有效", "不限", "无限期", "永久有效", "never", "permanent", "unlimited", "open-ended", "indefinite"}
_MONTHS = {
    name: number
    for number, names in enumerate(
        ("jan january", "feb february", "mar march", "apr april", "may", "jun june", "jul july", "aug august", "sep sept september",
         "oct october", "nov november", "dec december"), start=1)
    for name in names.split()
}  # fmt: skip
_DIGITS = str.maketrans("〇零○０一二三四五六七八九", "00001234567" + "89")
_TIME = r"(?:[T ]\d{1,2}[:时点]\d{1,2}(?:[:分]\d{1,2}(?:\.\d+)?秒?)?分?(?:Z|[+-]\d{2}:?\d{2})?)?"
_FULL = re.compile(r"(\d{4})(?:年|[-/.])(\d{1,2})(?:月|[-/.])(\d{1,2})(?:日|号)?" + _TIME)
_PACKED = re.compile(r"(\d{4})(\d{2})(\d{2})")
_MONTH = re.compile(r"(\d{4})(?:年|[-/.])(\d{1,2})(?:月份?|[-/.])?")
_MONTH_PACKED = re.compile(r"(\d{4})(\d{2})")
_YEAR = re.compile(r"(\d{4})年?")
_DAY_MONTH = re.compile(r"(\d{1,2})(?:st|nd|rd|th)?[ -]([A-Za-z]{3,9})\.?,?[ -](\d{4})")
_MONTH_DAY = re.compile(r"([A-Za-z]{3,9})\.? (\d{1,2})(?:st|nd|rd|th)?,? (\d{4})")
_AMBIGUOUS = re.compile(r"\d{1,2}[-/.]\d{1,2}[-/.]\d{1,4}")


def parse(value: Any, *, open_ended: bool = False, epoch: datetime = datetime(1899, 12, 30)) -> str:
    """ISO text of a date.  `epoch` is the workbook's day zero (1904-01-01 in files from old Macs).  Raises Refused."""
    if isinstance(value, datetime):
        return _iso(value.year, value.month, value.day)
    if isinstance(value, date):
        return _iso(value.year, value.month, value.day)
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise Refused(f"{value!r} is not a date")
    if isinstance(value, (int, float)):
        return _number(value, epoch)
    text = re.sub(r"(?<=[\d年月日]) +(?=[\d年月日])(?!\d{1,2}[:时点])", "", value.strip())
    if text.casefold() in _OPEN:
        if open_ended:
            return NEVER
        raise Refused(f"{text!r}: this date cannot be open-ended")
    return _text(text, epoch)


def _number(value: float, epoch: datetime) -> str:
    if not math.isfinite(value):
        raise Refused("not a number of a day")
    if value != int(value) and FIRST <= value < LAST:
        # a cell that shows 2024.10 holds the number 2024.1, as does one that shows 2024.1
        raise Refused(f"{value}: January or October? write {int(value)}-01 or {int(value)}-10 as text")
    if int(value) in SERIALS:
        day = epoch + timedelta(days=int(value))
        return _iso(day.year, day.month, day.day)
    return _text(str(int(value)), epoch)


def _text(text: str, epoch: datetime) -> str:
    if re.search(r"[年月日]", text) and re.search(r"[一二三四五六七八九十]", text):
        text = _chinese(text)
    if match := _FULL.fullmatch(text) or _PACKED.fullmatch(text):
        return _iso(*map(int, match.groups()))
    if match := _MONTH.fullmatch(text):
        return _iso(int(match[1]), int(match[2]))
    if re.fullmatch(r"\d{5}(\.\d+)?", text) and int(float(text)) in SERIALS:
        return _number(int(float(text)), epoch)
    if match := _MONTH_PACKED.fullmatch(text):
        return _iso(int(match[1]), int(match[2]))
    if match := _YEAR.fullmatch(text):
        return _iso(int(match[1]))
    if match := _DAY_MONTH.fullmatch(text):
        return _iso(int(match[3]), _month(match[2]), int(match[1]))
    if match := _MONTH_DAY.fullmatch(text):
        return _iso(int(match[3]), _month(match[1]), int(match[2]))
    if _AMBIGUOUS.fullmatch(text):
        raise Refused(f"{text!r}: which part is the year, which the month? write 2026-03-01")
    if len(re.findall(r"\d{4}", text)) > 1:
        raise Refused(f"{text[:40]!r} holds two dates; write the one that is asked for")
    raise Refused(f"{text[:40]!r} is not a date; write 2026-03-01")


def _month(name: str) -> int:
    number = _MONTHS.get(name.lower())
    if number is None:
        raise Refused(f"{name!r} is no month")
    return number


def _iso(year: int, month: int = 0, day: int = 0) -> str:
    if not FIRST <= year < LAST:
        raise Refused(f"the year {year} lies outside {FIRST}–{LAST - 1}")
    try:
        date(year, month or 1, day or 1)
    except ValueError:
        raise Refused(f"there is no {'day' if day else 'month'} {year}-{month:02d}{f'-{day:02d}' if day else ''}") from None
    return f"{year:04d}-{month:02d}-{day:02d}" if day else f"{year:04d}-{month:02d}" if month else f"{year:04d}"


def _chinese(text: str) -> str:
    """`二〇二四年十二月三十一日` → `2024年12月31日`."""

    def tens(match: re.Match[str]) -> str:
        before, _, after = match[0].partition("十")
        return f"{before or '1'}{after or '0'}"

    return re.sub(r"[一二三四五六七八九]?十[一二三四五六七八九]?", tens, text).translate(_DIGITS)


def last_day(iso: str) -> date | None:
    """The last day that an ISO text of any precision covers; None for `never` and for what is no date."""
    parts = iso.split("-")
    if re.fullmatch(r"[0-9]{4}(-[0-9]{2}){0,2}", iso) is None:
        return None
    try:
        year, month, day = (int(parts[i]) if i < len(parts) else 0 for i in range(3))
        if day:
            return date(year, month, day)
        following = date(year + 1, 1, 1) if month in (0, 12) else date(year, month + 1, 1)
    except (ValueError, OverflowError):
        return None
    return following - timedelta(days=1)
