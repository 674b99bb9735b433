"""The workbook that asks: for each unit a sheet of its sites' open questions, with cells to answer in, ready to be sent or printed.

In: `Line`s as plain data, a language, a day.  Out: the bytes of an XLSX file, the same for the same input.  Names and what is known of a
site are observed text: they are written as text, never as a formula or a link.  Grey cells are locked (without a password), cells to
answer in are not.  `planner.answerreading` takes it back.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Literal

import xlsxwriter
from pydantic import BaseModel, ConfigDict

from inventory import yamlfile
from inventory.register.fields import plain
from inventory.register.grid import LISTS, letter
from inventory.register.writing import printable
from planner.i18n import N_, translator
from planner.questions import Asked, Question, Words

SHIPPED = Path(__file__).with_name("answersheet.yml")
LONGEST = 32_767
_MOST_ROWS = 1_000_000
PLACES = {
    "site-cluster": N_("Site cluster"), "virtual-host": N_("Virtual host"), "vps": N_("VPS"), "colocation": N_("Colocation"),
    "retire": N_("Retire"), "none": N_("No recommendation"), "ready": N_("ready"), "conditional": N_("with conditions"),
    "unproven": N_("unproven"),
}  # fmt: skip
"""Placements and states in words, for gettext."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Column(_Strict):
    """One column of the sheet."""

    id: Literal["unit", "site", "known", "id", "ask", "why", "hangs", "answer", "by", "date", "remark"]
    en: str
    zh: str
    width: int
    headings: tuple[str, ...] = ()
    given: bool = False
    key: bool = False

    def title(self, language: str) -> str:
        """What stands over it."""
        return self.zh if language.startswith("zh") else self.en


class Layout(_Strict):
    """The data file."""

    columns: tuple[Column, ...]
    pages: Mapping[Literal["instructions", "center", "nobody"], Words]
    title: Words
    instructions: Mapping[Literal["en", "zh"], tuple[str, ...]]

    @cached_property
    def by_heading(self) -> Mapping[str, str]:
        """Headings as they are compared → columns."""
        own = {plain(word): column.id for column in self.columns for word in (column.en, column.zh)}
        return {plain(word): column.id for column in self.columns for word in column.headings} | own


@cache
def layout() -> Layout:
    """What ships.  Raises ConfigurationError."""
    return yamlfile.read(SHIPPED).validate(Layout)


@dataclass(frozen=True)
class Line:
    """One row: a question to one site.  `unit` '' where nobody knows whose it is; `known` is what helps to recognise the site."""

    unit: str
    unit_name: str
    site: str
    asked: Asked
    known: str = ""


@dataclass(frozen=True)
class Page:
    """The sheet of one unit, of the center's own people, or of sites without a unit."""

    title: str
    lines: tuple[Line, ...] = field(repr=False)


def pages(lines: Iterable[Line], language: str) -> list[Page]:
    """Lines by who is asked: units by their codes, then sites without one, then the center itself.  Sites with the most decisive first."""
    groups: dict[tuple[int, str], list[Line]] = {}
    for line in lines:
        place = 2 if line.asked.question.of == "center" else 0 if line.unit else 1
        groups.setdefault((place, line.unit if place == 0 else ""), []).append(line)
    named = layout().pages
    titles = {1: named["nobody"].of(language), 2: named["center"].of(language)}
    return [Page(titles.get(place, code), tuple(_ordered(found))) for (place, code), found in sorted(groups.items())]


def _ordered(lines: Sequence[Line]) -> list[Line]:
    """Site by site: those with the most decisive question first, then by name; each site's questions stay in their order."""
    heaviest: dict[str, float] = {}
    for line in lines:
        heaviest[line.site] = max(heaviest.get(line.site, 0.0), line.asked.weight)
    return sorted(lines, key=lambda line: (-heaviest[line.site], line.site))


def hangs(asked: Asked, language: str) -> str:
    """Which placement would follow from which answer: `yes → VPS, with conditions; no → as now`."""
    chinese = language.startswith("zh")
    if not asked.changes:
        return (
            ("单独不改变去向，与其他回答一起可能改变" if chinese else "nothing by itself; it may together with others")
            if asked.weight
            else ""
        )
    as_now = "不变" if chinese else "as now"
    parts = [
        f"{asked.question.shown(outcome.value, language)} → "
        + (placed(outcome.recommendation, outcome.state, language) if outcome in asked.changes else as_now)
        for outcome in asked.outcomes
    ]
    return ("；" if chinese else "; ").join(parts)


def placed(recommendation: str, state: str, language: str) -> str:
    """A recommendation in words."""
    translate = translator(language).gettext
    words = [translate(PLACES.get(word, word)) for word in (recommendation, state) if word]
    return f"{words[0]}（{words[1]}）" if language.startswith("zh") and len(words) > 1 else ", ".join(words)


# ---------------------------------------------------------------- the workbook


@dataclass
class _Looks:
    title: Any
    head: Any
    head_given: Any
    text: Any
    quiet: Any
    given: Any
    given_text: Any
    given_day: Any
    line: Any


def workbook(shown: Sequence[Page], language: str, made_on: date) -> bytes:
    """The workbook with instructions in both languages and one sheet for each page; `made_on` goes into its properties."""
    target = io.BytesIO()
    options = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False, "in_memory": True}
    book = xlsxwriter.Workbook(target, options)
    book.set_properties({"title": layout().title.of(language), "created": datetime(made_on.year, made_on.month, made_on.day)})
    grey, edge = {"bg_color": "#EDEDED", "valign": "top", "text_wrap": True}, {"border": 1, "border_color": "#A6A6A6"}
    white = {"valign": "top", "text_wrap": True, "locked": False, **edge}
    looks = _Looks(
        title=book.add_format({"bold": True, "font_size": 14}),
        head=book.add_format({**edge, "bold": True, "bg_color": "#BFBFBF", "text_wrap": True, "valign": "top"}),
        head_given=book.add_format({**edge, "bold": True, "bg_color": "#9BC2E6", "text_wrap": True, "valign": "top"}),
        text=book.add_format({**grey, **edge}),
        quiet=book.add_format({**grey, **edge, "font_color": "#808080"}),
        given=book.add_format(white),
        given_text=book.add_format({**white, "num_format": "@"}),
        given_day=book.add_format({**white, "num_format": "yyyy-mm-dd"}),
        line=book.add_format({"text_wrap": True, "valign": "top"}),
    )
    _instructions(book, looks, language)
    lists = _Lists(book, language)
    names = Names({LISTS, layout().pages["instructions"].of(language)})
    for page in shown:
        _sheet(book, looks, lists, names.of(page.title), page, language)
    lists.finish()
    book.close()
    return target.getvalue()


class Names:
    """Names that a workbook or a folder takes, each once, made of units' codes; `longest` as Excel counts, in units of UTF-16."""

    def __init__(self, taken: Iterable[str] = (), longest: int = 31) -> None:
        self._taken, self._longest = {name.casefold() for name in taken} | {"history"}, longest

    def of(self, text: str) -> str:
        """A name that is like the text."""
        name = re.sub(r"[\[\]:*?/\\<>|\"\s]+", "-", printable(text)).strip("'-. ")
        unique = _cut(name, self._longest) or "-"
        number = 1
        while unique.casefold() in self._taken:
            number += 1
            unique = f"{_cut(name, self._longest - len(str(number)) - 1)}-{number}"
        self._taken.add(unique.casefold())
        return unique


def _cut(text: str, longest: int) -> str:
    while len(text.encode("utf-16-le", "surrogatepass")) > 2 * longest:
        text = text[:-1]
    return text.rstrip("'-. ")


def _instructions(book: Any, looks: _Looks, language: str) -> None:
    page = book.add_worksheet(layout().pages["instructions"].of(language))
    page.set_column(0, 0, 100)
    page.set_paper(9)
    page.fit_to_pages(1, 0)
    row = 0
    both: tuple[Literal["zh", "en"], ...] = ("zh", "en") if language.startswith("zh") else ("en", "zh")
    for spoken in both:
        page.write_string(row, 0, layout().title.of(spoken), looks.title)
        for line in layout().instructions[spoken]:
            row += 1
            page.write_string(row, 0, line, looks.line)
        row += 2


class _Lists:
    """The values of drop-down lists, on a hidden sheet: in a validation itself a comma would part them, and they have 255 characters."""

    def __init__(self, book: Any, language: str) -> None:
        self._page, self._language = book.add_worksheet(LISTS), language
        self._places: dict[str, str] = {}

    def of(self, question: Question) -> str:
        """Where a question's answers stand, as a formula; '' for a question that is answered in other ways."""
        values: list[Any] = [True, False] if question.kind == "yes-no" else list(question.choices)
        key = "yes-no" if question.kind == "yes-no" else question.id
        if values and key not in self._places:
            column = len(self._places)
            for row, value in enumerate(values):
                self._page.write_string(row, column, question.shown(value, self._language))
            name = letter(column + 1)
            self._places[key] = f"={LISTS}!${name}$1:${name}${len(values)}"
        return self._places.get(key, "") if values else ""

    def finish(self) -> None:
        """The lists are not for reading."""
        self._page.hide()


def _sheet(book: Any, looks: _Looks, lists: _Lists, name: str, page: Page, language: str) -> None:
    sheet = book.add_worksheet(name)
    columns = layout().columns
    head = 2
    first = page.lines[0] if page.lines else None
    whose = first.unit_name if first and first.asked.question.of == "unit" and first.unit_name else page.title
    sheet.write_string(0, 0, _written(f"{whose}: {layout().title.of(language)}"), looks.title)
    for index, column in enumerate(columns):
        sheet.set_column(index, index, column.width)
        sheet.write_string(head, index, column.title(language), looks.head_given if column.given else looks.head)
    for row, line in enumerate(page.lines[:_MOST_ROWS], start=head + 1):
        for index, column in enumerate(columns):
            _cell(sheet, looks, row, index, column, line, language)
            if column.id == "answer":
                _validation(sheet, lists, row, index, line.asked.question, language)
    last = head + max(1, len(page.lines))
    sheet.freeze_panes(head + 1, 2)
    sheet.autofilter(head, 0, last, len(columns) - 1)
    sheet.protect("", {"autofilter": True, "sort": True, "format_columns": True, "format_rows": True})
    sheet.set_landscape()
    sheet.set_paper(9)  # A4
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(head)
    sheet.set_margins(left=0.4, right=0.4, top=0.5, bottom=0.6)
    sheet.set_footer("&C&P / &N")


def _cell(sheet: Any, looks: _Looks, row: int, index: int, column: Column, line: Line, language: str) -> None:
    if column.given:
        kind = line.asked.question.kind
        look = looks.given if column.id != "answer" else looks.given_day if kind == "date" else looks.given
        # a version or a number with zeros before it would become another one
        look = looks.given_text if column.id == "answer" and kind in {"text", "choice"} else look
        sheet.write_blank(row, index, None, looks.given_day if column.id == "date" else look)
        return
    question = line.asked.question
    other = "en" if language.startswith("zh") else "zh_CN"
    text = {
        "unit": line.unit, "site": line.site, "known": line.known, "id": question.id,
        "ask": f"{question.ask.of(language)}\n{question.ask.of(other)}", "why": question.why.of(language),
        "hangs": hangs(line.asked, language),
    }[column.id]  # fmt: skip
    sheet.write_string(row, index, _written(text), looks.quiet if column.id == "id" else looks.text)


def _written(text: str) -> str:
    """Text as a cell can hold it, and as it comes back."""
    return printable(text.replace("\r\n", "\n").replace("\r", "\n"))[:LONGEST]


def _validation(sheet: Any, lists: _Lists, row: int, index: int, question: Question, language: str) -> None:
    chinese = language.startswith("zh")
    source = lists.of(question)
    rule: dict[str, Any] = {"validate": "list", "source": source, "error_type": "warning"} if source else {"validate": "any"}
    allowed = ("可填：" if chinese else "Allowed: ") + question.allowed(language)
    sheet.data_validation(row, index, row, index, {**rule, "input_message": allowed[:255]})
