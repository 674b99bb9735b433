"""Questions to people for what discovery cannot see: which of them could still change one workload's verdict, and what a cell answers.

In: `questions.yml` (shipped, and a workspace's `policy/questions.yml`), a workload's facts, the rules; and cells of sheets.  Out: `Asked`,
most decisive first, with what would come out of each answer; and typed values.  Pure but for reading the files.

An answer is the fact `answer.<id>`.  One may be presumed from signs until somebody gives it, and other facts follow from it: so what an
answer would bring is found by supposing it, deriving again, and judging again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from inventory import conditions, register, yamlfile
from inventory.errors import ConfigurationError
from inventory.register import cells
from inventory.register.dates import Refused
from inventory.register.fields import Column, plain
from planner import flips, scoring
from planner.policy import Facts, RuleSet

SHIPPED = Path(__file__).with_name("questions.yml")
FILE = "policy/questions.yml"
"""The workspace's own questions, for its own rules; the same id replaces a shipped one."""
PREFIX = "answer."
ANYTHING = "…"
"""Stands for any text, where a question is answered in words."""
Value = bool | int | float | str
Derive = Callable[[Facts], Facts]
_NOTHING = {"无", "没有", "none", "no", "否"}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Words(_Strict):
    """The same in two languages."""

    en: Annotated[str, Field(min_length=1, max_length=500)]
    zh: Annotated[str, Field(min_length=1, max_length=500)]

    def of(self, language: str) -> str:
        """In the language `en` or `zh_CN`."""
        return self.zh if language.startswith("zh") else self.en


class Question(_Strict):
    """One question.  `of` says who is asked: the unit, or the center's own people.  `choices` belong to a choice, in order."""

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)]
    kind: Literal["yes-no", "choice", "text", "date", "number"]
    of: Literal["unit", "center"] = "unit"
    ask: Words
    why: Words
    choices: Mapping[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")], Words] = {}

    @model_validator(mode="after")
    def _check(self) -> Question:
        if (self.kind == "choice") != bool(self.choices):
            raise ValueError("choices belong to a question of the kind choice, and each of these has some")
        seen: dict[str, str] = {}
        for value, words in self.choices.items():
            for word in {plain(value), plain(words.en), plain(words.zh)}:
                if seen.setdefault(word, value) != value:
                    raise ValueError(f"choices: {seen[word]} and {value} would be written alike: {word!r}")
                if word in {plain(blank) for blank in register.shipped().blanks}:
                    raise ValueError(f"choices: {value} would be written {word!r}, which a cell says that says nothing")
        return self

    @property
    def fact(self) -> str:
        """The fact that its answer is."""
        return PREFIX + self.id

    @cached_property
    def column(self) -> Column:
        """How a cell with its answer is read."""
        kind: Literal["boolean", "choice", "text", "date", "number"] = "boolean" if self.kind == "yes-no" else self.kind
        words = {value: (value, words.en, words.zh) for value, words in self.choices.items()}
        return Column(id=self.id, kind=kind, en=self.ask.en, zh=self.ask.zh, values=words)

    def allowed(self, language: str) -> str:
        """What may be answered, for people."""
        chinese = language.startswith("zh")
        if self.kind == "choice":
            return (" / ").join(words.of(language) for words in self.choices.values())
        return {
            "yes-no": "是 / 否" if chinese else "yes / no",
            "text": "文字；没有请填“无”" if chinese else "words; “none” if there is none",
            "date": "日期，如 2026-03-01" if chinese else "a day, as 2026-03-01",
            "number": "数字" if chinese else "a number",
        }[self.kind]

    def shown(self, value: Value, language: str) -> str:
        """An answer for people, as a cell may hold it."""
        chinese = language.startswith("zh")
        if isinstance(value, bool):
            return ("是" if value else "否") if chinese else ("yes" if value else "no")
        if value == "":
            return "无" if chinese else "none"
        if value == ANYTHING:
            return "（任意内容）" if chinese else "(anything)"
        words = self.choices.get(value) if isinstance(value, str) else None
        return words.of(language) if words else f"{value:g}" if isinstance(value, float) else str(value)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")
    questions: list[Question]


def load(paths: Sequence[Path] = (SHIPPED,)) -> tuple[Question, ...]:
    """The questions of the files in their order; one of a later file replaces that of the same id.

    Raises ConfigurationError with all problems of all files, each with its `file:line:column`.
    """
    found: dict[str, Question] = {}
    problems: list[str] = []
    for path in paths:
        try:
            document = yamlfile.read(path)
            file = document.validate(_File)
        except ConfigurationError as error:
            problems += error.problems
            continue
        seen: dict[str, str] = {}
        for index, question in enumerate(file.questions):
            where = document.place(("questions", index, "id"))
            if question.id in seen:
                problems.append(f"{where}: the question {question.id!r} stands already at {seen[question.id]}")
            seen.setdefault(question.id, where)
            found[question.id] = question
    if problems:
        raise ConfigurationError(problems)
    return tuple(found.values())


def files(workspace: Path) -> tuple[Path, ...]:
    """The files of questions that are in force in a workspace."""
    own = workspace / FILE
    return (SHIPPED, own) if own.exists() else (SHIPPED,)


def unasked(rules: RuleSet, questions: Sequence[Question]) -> list[str]:
    """Answers that rules ask for and no question brings: they would stay unknown for ever."""
    return sorted(name for name in rules.facts if name.startswith(PREFIX) and name not in {question.fact for question in questions})


# ---------------------------------------------------------------- what a cell answers


def parse(question: Question, cell: Any, *, epoch: datetime = datetime(1899, 12, 30)) -> Value | None:
    """The value that a cell answers with; None for a cell that says nothing.  `epoch` as in `dates.parse`.

    A text of `none` (无) is the known answer that there is nothing: ''.  Raises Refused with what is allowed.
    """
    if cells.blank(register.shipped(), cell):
        return None
    try:
        value: Value = cells.parse(question.column, cell, epoch=epoch).data
    except Refused as refused:
        raise Refused(f"{refused}; allowed: {question.allowed('en')} ({question.allowed('zh')})") from None
    if value == "":
        return None
    if question.kind == "text" and plain(str(value)) in _NOTHING:
        return ""
    return whole_day(str(value)) if question.kind == "date" else value


def whole_day(text: str) -> str:
    """An ISO date that names its day.  Raises Refused."""
    if len(text) != 10:
        raise Refused(f"{text}: which day? write it as {text + '-01' * (2 if len(text) == 4 else 1)}")
    return text


# ---------------------------------------------------------------- which are to be asked


@dataclass(frozen=True)
class Outcome:
    """What would be recommended if `value` were answered, and in which state (`none` and '' where nothing could be)."""

    value: Value
    recommendation: str
    state: str


@dataclass(frozen=True)
class Asked:
    """A question to one workload.

    `weight`: 2 an answer changes the recommendation, 1 its state; below 1 the share of uncertainty that it would take off; 0 nothing.  Half
    of that where the answer is presumed from signs, since the presumption is more likely right than wrong: then `presumed` holds it, with
    its reason in `why`.  `now` is (recommendation, state) as things stand.
    """

    question: Question
    weight: float
    now: tuple[str, str]
    outcomes: tuple[Outcome, ...]
    presumed: Value | None = None
    why: str = ""

    @property
    def changes(self) -> tuple[Outcome, ...]:
        """The answers that would change something."""
        return tuple(outcome for outcome in self.outcomes if (outcome.recommendation, outcome.state) != self.now)


def decisive(
    facts: Facts,
    rules: RuleSet,
    questions: Sequence[Question],
    *,
    derive: Derive = lambda facts: facts,
    presumptions: bool = False,
    everything: bool = False,
) -> list[Asked]:
    """The unanswered questions that could still change this workload's verdict, most decisive first.

    `facts` with what is derived of them; `derive` makes the derived ones anew.  A fact that carries `presumed` is derived, not answered:
    with `presumptions` these are asked, too, where another answer would change the verdict.  With `everything`, all that nobody answered.
    """
    wanted = presumptions or everything
    open_ = [question for question in questions if question.fact not in facts or (wanted and facts[question.fact].get("presumed"))]
    unknown = {question.fact for question in open_ if question.fact not in facts}
    presumed = {question.fact for question in open_} - unknown
    weights = {item.fact: item.weight for item in flips.decisive(facts, rules, unknown)}
    weights |= {flip.fact: 1.0 for flip in flips.flips(facts, rules, presumed, known=True)} if presumed else {}
    now = _judged(facts, rules)
    found = []
    for place, question in enumerate(open_):
        expected = weights.get(question.fact, 0.0)
        if expected or everything:
            asked = _asked(question, expected, facts, rules, derive, now)
            if asked.weight or everything:
                found.append((-asked.weight, question.fact in presumed, place, asked))
    return [asked for *_, asked in sorted(found, key=lambda item: item[:3])]


def _asked(question: Question, expected: float, facts: Facts, rules: RuleSet, derive: Derive, now: _Judged) -> Asked:
    """One question with its answers tried."""
    outcomes = []
    doubts = [now.doubt]
    known = facts.get(question.fact, {})
    for value in possible(question, rules):
        supposed = derive({**facts, question.fact: {"value": value, "evidence": [["answer", "", 0]], "why": "supposed"}})
        then = _judged(supposed, rules)
        doubts.append(then.doubt)
        outcomes.append(Outcome(value, *then.told))
    weight = 0.0
    if any(outcome.recommendation != now.told[0] for outcome in outcomes):
        weight = 2.0
    elif any((outcome.recommendation, outcome.state) != now.told for outcome in outcomes):
        weight = 1.0
    elif expected and not known and (now.told[0] != "none" or now.doubt):  # where a block holds everywhere, nobody needs to be asked
        # by itself it changes nothing, but others may turn the verdict together with it: a block that may hold hides a whole placement
        settled = (now.doubt - min(doubts)) / now.doubt if now.doubt else 0.0
        weight = min(0.99, max(0.01, settled, expected if expected < 1 else 0.0))
    if known:
        return Asked(question, weight / 2, now.told, tuple(outcomes), known["value"], str(known.get("why") or ""))
    return Asked(question, weight, now.told, tuple(outcomes))


def possible(question: Question, rules: RuleSet) -> list[Value]:
    """What might be answered.  For words, numbers and days: what the conditions that ask for the answer tell apart."""
    if question.kind == "yes-no":
        return [True, False]
    if question.kind == "choice":
        return list(question.choices)
    asking = rules.asking.get(question.fact, ())
    wanted = [value for rule in asking for value in conditions.candidates(rule.when, question.fact)]
    if question.kind == "number":
        return list(dict.fromkeys(value for value in wanted if isinstance(value, (int, float)) and not isinstance(value, bool)))
    texts = [value for value in wanted if isinstance(value, str) and value]
    if question.kind == "date":
        return [day for text in dict.fromkeys(texts) if (day := _day(text)) is not None]
    return list(dict.fromkeys([*(texts or [ANYTHING]), ""]))


def _day(text: str) -> str | None:
    """A day that conditions can be tried with: they compare days by their years' beginning."""
    try:
        return date.fromisoformat(f"{text}-01-01" if len(text) == 4 else text).isoformat()
    except ValueError:
        return None


@dataclass(frozen=True)
class _Judged:
    """What comes first, (recommendation, state), and how many blocks that may hold stand before placements that none rules out."""

    told: tuple[str, str]
    doubt: int


def _judged(facts: Facts, rules: RuleSet) -> _Judged:
    _, tallies, placements = scoring.scored(conditions.values_of(facts), rules)
    first = scoring.best(placements)
    told = ("none", "") if first is None else (first.placement, first.state)
    return _Judged(told, sum(tally.blocks_unknown for tally in tallies.values() if not tally.blocks))
