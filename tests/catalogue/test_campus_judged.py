"""A small generated campus from its register to its report: every command of the way ends well, and every site gets a verdict."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "lab"))

from generated import making, running, writing


def test_a_small_campus_from_register_to_report(tmp_path):
    writing.write(making.make(7, 8, 40, 16), tmp_path)
    said = []
    run = running.run(tmp_path, said.append)
    assert run.problems == []
    assert run.comparison.deviations == []
    truth = json.loads((tmp_path / "truth.json").read_text())
    verdicts = next(phase for phase in run.phases if phase.name == "assess").data
    found = {site["name"] for site in truth["sites"] if site["found"]}
    assert found <= {row["site"] for row in verdicts}
    assert (tmp_path / "workspace" / "reports" / "report.html").stat().st_size > 100_000
    assert said[-1].endswith(" 0 problems")
