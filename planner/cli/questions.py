"""`planner questions …`: what discovery cannot see is asked, as a table or as sheets for units; answers come in and are kept."""

from __future__ import annotations

import getpass
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import select
from sqlalchemy.orm import Session
from typer.core import TyperGroup

from inventory import catalogue, model
from inventory.conditions import Facts
from inventory.errors import InputError, NotFound
from inventory.register.dates import Refused
from inventory.register.writing import replace
from planner import answerreading, answers, answersheet, questions, wording, workspace
from planner.cli.output import Json, emit, note, say, table, visible
from planner.facts import Assembly


class _Group(TyperGroup):
    """`planner questions [UNIT]` is `planner questions list [UNIT]`: what is no other command of the group belongs to that one."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """The arguments, with the command put in where none was named."""
        if not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names):
            args = ["list", *args]
        return super().parse_args(ctx, args)


def add(app: typer.Typer) -> None:
    """Hang the commands into the application."""
    group = typer.Typer(
        cls=_Group, help="Questions that could still change a verdict, and their answers; without a command: list.", rich_markup_mode=None
    )
    group.command("list")(list_)
    group.command("import")(import_)
    group.command("answer")(answer)
    group.command("history")(show_history)
    group.command("withdraw")(withdraw)
    app.add_typer(group, name="questions")


Site = Annotated[str, typer.Argument(help="A site by any of its names.")]
Name = Annotated[str, typer.Argument(help="The question's ID.")]


def _questions(space: workspace.Workspace) -> tuple[questions.Question, ...]:
    return questions.load(questions.files(space.root))


def list_(
    unit: Annotated[str, typer.Argument(help="Only this unit's sites, by its code.")] = "",
    out: Annotated[
        Path | None, typer.Option("--out", help="Write the questions to answer in: FILE.xlsx with a sheet for each unit, or a folder.")
    ] = None,
    site: Annotated[str, typer.Option("--site", help="Only this site, by any of its names.")] = "",
    presumed: Annotated[
        bool, typer.Option("--presumed", help="Also answers presumed from signs, to be confirmed, where another would change the verdict.")
    ] = False,
    everything: Annotated[bool, typer.Option("--all", help="Also unanswered questions that could change no verdict by now.")] = False,
    as_json: Annotated[bool, Json] = False,
) -> None:
    """The questions that could still change a verdict, most decisive first; with --out as sheets for the units to answer in."""
    space = workspace.find()
    language = space.configuration.language
    asked = _questions(space)
    with space.open_catalogue().session() as session:
        items = _chosen(session, unit, site)
        assembly = Assembly(session, space, catalogue.now().astimezone().date(), items)
        lines = _lines(session, items, assembly, asked, presumed, everything)
    for name in questions.unasked(assembly.rules, asked):
        note(f"a rule asks for {name}, and no question brings it: add one to {questions.FILE}")
    if out is not None:
        _write(out, lines, language, unit)
        return
    lines.sort(key=lambda line: -line.asked.weight)
    if as_json:
        emit([_plain(line, language) for line in lines])
        return
    rows = [
        {
            "site": line.site, "unit": line.unit, "asked": line.asked.question.of, "question": line.asked.question.id,
            "weight": f"{line.asked.weight:.2g}", "in words": line.asked.question.ask.of(language),
            "could change": answersheet.hangs(line.asked, language),
        }
        for line in lines
    ]  # fmt: skip
    table(
        rows, ["site", "unit", "asked", "question", "weight", "in words", "could change"], as_json=False,
        empty="nothing that people could answer would change a verdict",
    )  # fmt: skip


def _chosen(session: Session, unit: str, site: str) -> list[model.Workload]:
    """The sites that were found on hosts and that are meant."""
    query = select(model.Workload).where(model.Workload.host_id.is_not(None)).order_by(model.Workload.name)
    if unit:
        if session.get(model.Unit, unit) is None:
            codes = ", ".join(session.scalars(select(model.Unit.code).order_by(model.Unit.code)))
            raise NotFound(f"there is no unit {unit!r}", hint=f"units: {codes or 'none yet'}")
        query = query.where(model.Workload.unit_code == unit)
    if site:
        query = query.where(model.Workload.id == catalogue.workload_by_name(session, site).id)
    return list(session.scalars(query))


def _lines(
    session: Session,
    items: Sequence[model.Workload],
    assembly: Assembly,
    asked: Sequence[questions.Question],
    presumed: bool,
    everything: bool,
) -> list[answersheet.Line]:
    language = assembly.space.configuration.language
    chinese = language.startswith("zh")
    names = {unit.code: unit.name_zh if chinese or not unit.name_en else unit.name_en for unit in session.scalars(select(model.Unit))}
    found = []
    for item in items:
        facts = assembly.of(item)
        known = _known(item, facts, language)
        derive = partial(assembly.derived, item)
        for one in questions.decisive(facts, assembly.rules, asked, derive=derive, presumptions=presumed, everything=everything):
            now = f"{'目前：' if chinese else 'now: '}{answersheet.placed(*one.now, language)}"
            if one.presumed is not None:
                now += f"\n{'暂按：' if chinese else 'presumed: '}{one.question.shown(one.presumed, language)}"
                now += (f"（{one.why}）" if chinese else f" ({one.why})") if one.why else ""
            found.append(
                answersheet.Line(item.unit_code or "", names.get(item.unit_code or "", ""), item.name, one, f"{known}\n{now}".strip())
            )
    return found


def _known(item: model.Workload, facts: Facts, language: str) -> str:
    """What helps people to recognise a site, and what is assumed of it."""
    told = [
        wording.show(name, facts[name]["value"], language)
        for name in ("declared.name", "declared.purpose", "http.title", "application.name")
        if facts.get(name, {}).get("value") not in (None, "")
    ]
    return "\n".join(dict.fromkeys([*(text[:200] for text in told), item.host.name if item.host else ""]))


def _plain(line: answersheet.Line, language: str) -> dict[str, Any]:
    one = line.asked
    return {
        "site": line.site, "unit": line.unit, "asked": one.question.of, "question": one.question.id, "kind": one.question.kind,
        "weight": round(one.weight, 3), "in_words": one.question.ask.of(language), "why": one.question.why.of(language),
        "now": {"recommendation": one.now[0], "state": one.now[1]}, "presumed": one.presumed, "presumed_why": one.why,
        "outcomes": [{"answer": item.value, "recommendation": item.recommendation, "state": item.state} for item in one.outcomes],
    }  # fmt: skip


def _write(out: Path, lines: list[answersheet.Line], language: str, unit: str) -> None:
    """One workbook, or one for each unit in a folder.  What the center is asked does not go to a unit."""
    if unit:
        own = [line for line in lines if line.asked.question.of == "center"]
        lines = [line for line in lines if line.asked.question.of != "center"]
        if own:
            note(f"{len(own)} questions are the center's own and are left out: without UNIT they stand on a sheet of their own")
    pages = answersheet.pages(lines, language)
    if not pages:
        note("nothing that people could answer would change a verdict: nothing was written")
        return
    today = catalogue.now().astimezone().date()
    if out.suffix.lower() == ".xlsx" and not out.is_dir():
        replace(out, answersheet.workbook(pages, language, today))
        note(f"wrote {out}: {len(lines)} questions on {len(pages)} sheets")
        return
    if out.suffix and not out.is_dir():
        raise InputError(f"{out}: questions are written as .xlsx, or into a folder")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{out}: {error.strerror}") from error
    names = answersheet.Names(longest=60)  # 180 bytes in UTF-8: a file's name has 255
    for page in pages:
        path = out / f"{names.of(page.title)}.xlsx"
        replace(path, answersheet.workbook([page], language, today))
        note(f"wrote {path}: {len(page.lines)} questions")


# ---------------------------------------------------------------- answers


def import_(
    files: Annotated[list[Path], typer.Argument(help="Sheets of questions that came back: .xlsx or .csv.")],
    by: Annotated[str, typer.Option("--by", help="Who answered, where a row does not say.")] = "",
    preview: Annotated[bool, typer.Option("--preview", help="Show what would be stored, and write nothing.")] = False,
    as_json: Annotated[bool, Json] = False,
) -> None:
    """Take answers in.  Each cell that cannot be used is listed with its place; all other rows are taken.  An empty answer says nothing."""
    space = workspace.find()
    asked = _questions(space)
    now = catalogue.now()
    # the day where people are: an answer of this morning in Beijing is not yet today's in UTC
    today = now.astimezone().date()
    with space.lock("answers"), space.open_catalogue().session() as session:
        read = answerreading.read(files, asked, answers.Sites(session), by=by, today=today)
        stored = answers.store(session, read.given, now)
        by_id = {question.id: question for question in asked}
        told = [_told(item, by_id, space.configuration.language) for item in stored]
        if preview:
            session.rollback()
    counts = Counter(item["action"] for item in told)
    shown = [item for item in told if item["action"] != "same"]
    if as_json:
        stored_now = sum(item["action"] not in {"same", "outdated"} for item in told)
        emit({"stored": 0 if preview else stored_now, "rows": read.rows, "counts": counts, "answers": shown,
              "rejected": [item.to_json() for item in read.problems], "notes": read.notes})  # fmt: skip
    else:
        table(shown, ["action", "site", "question", "answer", "before", "by", "on"], as_json=False, empty="no new answers")
        for text in read.notes:
            note(visible(text))
        for item in told:
            if item["action"] == "older":
                note(visible(f"{item['origin']}: kept in the history; a later answer, of {item['before_on']}, counts"))
            elif item["action"] == "outdated":
                note(
                    visible(
                        f"{item['origin']}: read before; on {item['before_on']} it was answered otherwise, which counts: "
                        "give this answer its day if it was given after that"
                    )
                )
        for problem in read.problems:
            note(f"rejected {visible(problem)}")
        counted = ", ".join(
            f"{counts[name]} {name}" for name in ("new", "changed", "confirmed", "older", "outdated", "same") if counts[name]
        )
        note(f"{read.rows} answers read: {counted or 'none taken'}, {len(read.problems)} cells rejected")
        if preview:
            note("preview: nothing was written")
    if read.problems:
        raise typer.Exit(InputError.exit_code)


def _told(item: answers.Stored, by_id: dict[str, questions.Question], language: str) -> dict[str, Any]:
    given, before = item.given, item.before
    return {
        "action": item.action, "site": given.at.site, "question": given.question,
        "answer": _shown(by_id, given.question, given.value, language),
        "before": "" if before is None else _shown(by_id, given.question, before.value["value"], language),
        "before_on": "" if before is None else before.answered_on,
        "by": given.by, "on": given.on, "remark": given.remark, "origin": given.origin,
    }  # fmt: skip


def _shown(by_id: dict[str, questions.Question], question: str, value: Any, language: str) -> str:
    known = by_id.get(question)
    return known.shown(value, language) if known else str(value)


def answer(
    site: Site,
    question: Name,
    value: Annotated[
        str, typer.Argument(help="The answer, as a cell of the sheet may hold it: yes, 否, a choice, a day, a number, words.")
    ],
    by: Annotated[str, typer.Option("--by", help="Who answered.")],
    on: Annotated[str, typer.Option("--on", help="The day of the answer, YYYY-MM-DD; none: today.")] = "",
    remark: Annotated[str, typer.Option("--remark", help="What was said besides.")] = "",
) -> None:
    """Type one answer in, as it was given by word of mouth, telephone or letter.  A different one that stands is superseded and kept."""
    space = workspace.find()
    now = catalogue.now()
    today = now.astimezone().date()
    asked = {item.id: item for item in _questions(space)}
    if question not in asked:
        raise NotFound(f"there is no question {question!r}", hint="questions: " + ", ".join(asked))
    if not by.strip() or len(by) > answers.LONGEST_NAME:
        raise InputError(f"--by: a name of 1 to {answers.LONGEST_NAME} characters", hint="who answered?")
    try:
        said = questions.parse(asked[question], value)
        day = answerreading.day(on, today) if on else today.isoformat()
    except Refused as refused:
        raise InputError(str(refused)) from refused
    if said is None:
        raise InputError(f"{value!r} says nothing", hint=f"allowed: {asked[question].allowed(space.configuration.language)}")
    with space.lock("answers"), space.open_catalogue().session() as session:
        at = answers.found(catalogue.workload_by_name(session, site))
        typed = answers.Given(at, question, said, by.strip(), day, True, f"typed in by {getpass.getuser()}", remark)
        (stored,) = answers.store(session, [typed], now)
        before = stored.before
        since = "" if before is None else f"{_shown(asked, question, before.value['value'], 'en')} of {before.answered_on} by {before.by}"
    words = {
        "new": "stored", "changed": f"stored; it supersedes {since}", "confirmed": f"stored; it confirms {since}",
        "older": f"kept in the history; {since} counts", "same": f"known already: {since}",
    }[stored.action]  # fmt: skip
    say(visible(f"{at.site}, {question}: {_shown(asked, question, said, space.configuration.language)}; {words}"))


def show_history(site: Site, as_json: Annotated[bool, Json] = False) -> None:
    """Every answer that was ever given for a site: which counts, which were superseded or taken back, by whom and from where."""
    space = workspace.find()
    asked = {item.id: item for item in _questions(space)}
    with space.open_catalogue().session() as session:
        rows = answers.of(session, answers.found(catalogue.workload_by_name(session, site)))
        counting = answers.counting(rows)
        told = [
            {
                "question": row.question, "answer": _shown(asked, row.question, row.value["value"], space.configuration.language),
                "value": row.value["value"], "by": row.by, "on": row.answered_on,
                "remark": row.value.get("remark", ""), "origin": row.origin,
                "stored": row.at.isoformat() if as_json else f"{row.at:%Y-%m-%d %H:%M}",
                "state": _state(row, counting),
            }
            for row in rows
        ]  # fmt: skip
    if not as_json:
        told.sort(key=lambda row: str(row["question"]))
    table(
        told,
        ["question", "answer", "by", "on", "state", "remark", "origin", "stored"],
        as_json=as_json,
        empty="nobody answered anything yet",
    )


def _state(row: model.Answer, counting: Any) -> str:
    if row.withdrawn_at is not None:
        return f"withdrawn by {row.withdrawn_by} on {row.withdrawn_at:%Y-%m-%d}"
    return "counts" if counting.get(row.question) is row else "superseded"


def withdraw(
    site: Site,
    question: Name,
    by: Annotated[str, typer.Option("--by", help="Who does it; none: the account that runs the command.")] = "",
) -> None:
    """Take the answer to a question back: it is open again.  What was answered stays in the history."""
    space = workspace.find()
    who = by or getpass.getuser()
    with space.lock("answers"), space.open_catalogue().session() as session:
        at = answers.found(catalogue.workload_by_name(session, site))
        taken = answers.withdraw(session, at, question, who, catalogue.now())
        if not taken:
            standing = sorted(answers.counting(answers.of(session, at)))
            raise NotFound(f"nobody answered {question!r} for {at.site}", hint=f"answered: {', '.join(standing) or 'nothing yet'}")
        words = [f"{_shown({}, row.question, row.value['value'], 'en')} of {row.answered_on} by {row.by}" for row in taken]
    say(visible(f"{at.site}, {question}: taken back: {'; '.join(words)}"))
