"""The table of steps and the playbooks agree: nothing is promised that no playbook does, and no undo stands unused."""

import pytest

from planner import bundle, movesteps
from planner.shipped import folder as shipped


@pytest.mark.parametrize("placement", movesteps.TABLE)
def test_each_step_and_each_undo_has_its_playbook_and_no_other(placement):
    playbooks = {step.name for step in movesteps.TABLE[placement] if step.work == "playbook"}
    undoes = {f"undo-{step.name}" for step in movesteps.TABLE[placement] if step.undo}
    assert set(bundle.templates(placement)) == playbooks | undoes
    own = {path.name.removesuffix(".yml.j2") for path in (shipped("templates") / "playbooks" / placement).glob("*")}
    assert own <= playbooks | undoes


@pytest.mark.parametrize("placement", movesteps.TABLE)
def test_what_a_failure_takes_back_has_an_undo_and_was_begun_by_then(placement):
    names = movesteps.steps(placement)
    assert len(set(names)) == len(names)
    for step in movesteps.TABLE[placement]:
        for released in step.on_failure:
            assert movesteps.step(placement, released).undo
            assert names.index(released) <= names.index(step.name)
    assert "freeze" not in names or movesteps.step(placement, "freeze").undo, "whatever is frozen can be released"


def test_a_journal_alone_tells_the_steps_of_its_placement():
    assert movesteps.of(["provision", "rollback"]) == movesteps.steps("site-cluster")
    assert movesteps.of([]) == movesteps.steps("site-cluster")
    assert set(movesteps.of(movesteps.every())) == set(movesteps.every()), "what fits no placement has all of them"


def test_a_placement_without_playbooks_has_no_steps():
    assert movesteps.steps("none") == ()
    with pytest.raises(KeyError):
        movesteps.step("virtual-host", "sign-off")
