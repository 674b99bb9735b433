"""Answers come back: sheets of questions are read, each answered row becomes an answer or a problem; one bad row never stops the others.

In: files, the questions, the sites, who answers where a row does not say, the day of the import.  Out: `Read`: answers to be stored,
problems with `file:sheet!cell`, remarks.  Columns are found by their headings, in any order and in both languages; others are not read.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

from inventory.errors import InputError
from inventory.register import cells, dates, delimited, shipped, xlsx
from inventory.register.dates import Refused
from inventory.register.fields import plain
from inventory.register.grid import Grid, letter
from planner import answersheet, questions
from planner.answers import LONGEST_NAME, Given, Sites
from planner.questions import Question

LOOKED_AT = 40
"""Rows that may stand above the headings."""
_NEEDED = ({"site", "id", "answer"}, {"site", "ask", "answer"})


@dataclass(frozen=True)
class Problem:
    """A cell that could not be used."""

    place: str
    reason: str
    value: str = ""

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}"

    def to_json(self) -> dict[str, str]:
        """Plain data."""
        return {"place": self.place, "reason": self.reason, "value": self.value}


@dataclass
class Read:
    """What the files say: `rows` counts those with an answer."""

    given: list[Given] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    rows: int = 0


@dataclass(frozen=True)
class Row:
    """One row of a sheet.  `cells` by column of the sheet, `letters` where they stand."""

    file: str
    sheet: str
    number: int
    cells: Mapping[str, Any]
    letters: Mapping[str, str]
    epoch: datetime

    def place(self, column: str) -> str:
        """`file:sheet!H5`; in files without sheets `file:5, column H`, where 5 is the line."""
        at = self.letters.get(column, "A")
        return f"{self.file}:{self.sheet}!{at}{self.number}" if self.sheet else f"{self.file}:{self.number}, column {at}"

    def text(self, column: str) -> str:
        """A cell's text, '' where it says nothing."""
        cell = self.cells.get(column)
        return "" if isinstance(cell, cells.Unreadable) or cells.blank(shipped(), cell) else cells.text_of(cell)


def rows(path: Path) -> tuple[list[Row], list[str]]:
    """The rows of a file below its headings, and notes on what was left out.  Raises InputError when there is no sheet of questions."""
    ending = path.suffix.lower()
    if ending in {".xlsx", ".xlsm"}:
        grids, notes = xlsx.grids(path)
    elif ending in {".csv", ".tsv", ".txt"}:
        grids, notes = [delimited.grid(path)], []
    else:
        raise InputError(f"{path}: answers come in .xlsx or .csv files", hint="save the sheet as .xlsx")
    found: list[Row] = []
    missed: list[str] = []
    tables = 0
    aside = {words.of(language) for words in [answersheet.layout().pages["instructions"]] for language in ("en", "zh_CN")}
    for grid in grids:
        lines = iter(grid.rows)
        letters = _headings(grid, lines, notes)
        if letters is None:
            if grid.name not in aside:
                missed.append(
                    f"{path}: sheet {grid.name!r} is not read: no row has the headings Site, Question ID and Answer (网站, 问题编号, 回答)"
                )
            continue
        tables += 1
        for number, line in lines:
            held = {name: line[index] for name, index in letters.items() if index < len(line) and line[index] is not None}
            if held:
                places = {name: letter(index + 1) for name, index in letters.items()}
                found.append(Row(grid.file, grid.name, number, held, places, grid.epoch))
    if not tables:
        raise InputError(
            f"{path}: no sheet of questions in it", hint="\n    ".join(missed) or "planner questions --out FILE.xlsx writes one"
        )
    return found, [*notes, *missed]


def _headings(grid: Grid, lines: Iterator[tuple[int, Sequence[Any]]], notes: list[str]) -> dict[str, int] | None:
    """Columns by what stands over them; `lines` then goes on below."""
    known = answersheet.layout().by_heading
    for count, (number, line) in enumerate(lines, start=1):
        letters: dict[str, int] = {}
        for index, cell in enumerate(line):
            name = known.get(plain(cells.text_of(cell))) if isinstance(cell, str) else None
            if name in letters and name in {"site", "id", "ask", "answer"}:
                notes.append(
                    f"{grid.place(number)}: column {letter(index + 1)} means the same as {letter(letters[name] + 1)}; it is not read"
                )
            elif name is not None:
                letters.setdefault(name, index)
        if any(need <= letters.keys() for need in _NEEDED):
            return letters
        if count >= LOOKED_AT:
            break
    return None


def read(paths: Sequence[Path], asked: Sequence[Question], sites: Sites, *, by: str, today: date) -> Read:
    """All answers of the files.  `by`: who answered where a row does not say.  Raises InputError for a file that cannot be used."""
    made = Read()
    read_rows = []
    for path in paths:
        found, notes = rows(path)
        read_rows += found
        made.notes += notes
    understood: list[tuple[Row, Given]] = []
    for row in read_rows:
        if "answer" not in row.cells or _says_nothing(row):
            if row.text("remark"):
                made.notes.append(f"{row.place('remark')}: a remark without an answer is not kept: {row.text('remark')[:100]!r}")
            continue
        made.rows += 1
        given, problems = _understood(row, asked, sites, by, today)
        made.problems += problems
        if given is not None:
            understood.append((row, given))
    _without_contradictions(made, understood)
    return made


def _says_nothing(row: Row) -> bool:
    return cells.blank(shipped(), row.cells["answer"])


def _understood(row: Row, asked: Sequence[Question], sites: Sites, by: str, today: date) -> tuple[Given | None, list[Problem]]:
    """One row that holds an answer: all that is wrong with it, or the answer."""
    problems: list[Problem] = []

    def tried(column: str, make: Any) -> Any:
        try:
            return make()
        except Refused as refused:
            problems.append(Problem(row.place(column), str(refused), row.text(column)[:100]))
            return None

    site = tried("site", lambda: _site(row, sites))
    by_words = "id" not in row.letters or (row.text("ask") and not row.text("id"))
    question = tried("ask" if by_words else "id", lambda: _question(row, asked))
    value = tried("answer", lambda: questions.parse(question, row.cells["answer"], epoch=row.epoch)) if question is not None else None
    who = tried("by", lambda: _who(row.text("by") or by))
    on = tried("date", lambda: _day(row, today))
    if problems:
        return None, problems
    if value is None:
        return None, []
    return Given(site, question.id, value, who, on or today.isoformat(), on is not None, row.place("answer"), row.text("remark")), []


def _site(row: Row, sites: Sites) -> Any:
    if not row.text("site"):
        raise Refused("which site? the cell is empty")
    return sites.find(row.text("site"))


def _question(row: Row, asked: Sequence[Question]) -> Question:
    """By its id, else by its words."""
    written = row.text("id")
    if written:
        known = {question.id: question for question in asked}
        if written in known:
            return known[written]
        near = difflib.get_close_matches(written[:200], list(known), n=3, cutoff=0.5)
        raise Refused(f"there is no question {written[:64]!r}" + (f"; did you mean {' or '.join(near)}?" if near else ""))
    text = plain(row.text("ask"))
    if not text:
        raise Refused("which question? its ID is missing")
    for question in asked:
        first, second = plain(question.ask.zh), plain(question.ask.en)
        if text in {first, second, first + second, second + first}:
            return question
    by_words = {plain(words): question.id for question in asked for words in (question.ask.zh, question.ask.en)}
    near = [by_words[words] for words in difflib.get_close_matches(text[:500], list(by_words), n=3, cutoff=0.6)]
    raise Refused("these are the words of no question" + (f"; did you mean {' or '.join(dict.fromkeys(near))}?" if near else ""))


def _who(name: str) -> str:
    if not name:
        raise Refused("who answered? fill in the name, or give one for all with --by")
    if len(name) > LONGEST_NAME:
        raise Refused(f"a name has at most {LONGEST_NAME} characters")
    return name.replace("\n", " ")


def _day(row: Row, today: date) -> str | None:
    """The day that the row names; None where it names none."""
    cell = row.cells.get("date")
    if cells.blank(shipped(), cell):
        return None
    if isinstance(cell, cells.Unreadable):
        raise Refused(str(cell))
    return day(cell, today, epoch=row.epoch)


def day(value: Any, today: date, *, epoch: datetime = datetime(1899, 12, 30)) -> str:
    """The day of an answer, YYYY-MM-DD, which is not to come.  Raises Refused."""
    text = questions.whole_day(dates.parse(cells.text_of(value) if isinstance(value, str) else value, epoch=epoch))
    if text > today.isoformat():
        raise Refused(f"{text} is still to come; today is {today.isoformat()}")
    return text


def _without_contradictions(made: Read, understood: Sequence[tuple[Row, Given]]) -> None:
    """Rows that answer one question of one site differently on one day: nobody knows which is meant, so none is taken."""
    together: dict[tuple[str, str, str], list[tuple[Row, Given]]] = {}
    for row, given in understood:
        together.setdefault(_one(given), []).append((row, given))
    for row, given in understood:
        against = [other for other, said in together[_one(given)] if (type(said.value), said.value) != (type(given.value), given.value)]
        if against:
            reason = f"{against[0].place('answer')} answers the same question of {given.at.site} otherwise; none of them is taken"
            made.problems.append(Problem(row.place("answer"), reason, row.text("answer")[:100]))
        elif all(said.remark != given.remark for said in made.given if _one(said) == _one(given)):
            made.given.append(given)


def _one(given: Given) -> tuple[str, str, str]:
    return given.at.site, given.question, given.on
