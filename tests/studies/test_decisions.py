from concurrent.futures import ThreadPoolExecutor

from celltransfer_core.studies import Workspace


def test_decisions_grow_and_are_undone_by_who_made_them(space, study):
    first = space.decide(study.id, "match", {"type": "a"}, "Ann")
    space.decide_all(study.id, "match", [{"type": "b"}, {"type": "c"}], "Bob")
    space.decide(study.id, "review", {"answer": "x"}, "Ann")
    assert [d.payload["type"] for d in space.decisions(study.id, "match")] == ["a", "b", "c"]
    pulse = space.pulse(study.id)
    assert space.count_decisions(study.id, "match") == 3
    assert [d.id for d in space.undo(study.id, "match", "Ann")] == [first.id]
    assert space.count_decisions(study.id, "match") == 2
    assert space.pulse(study.id) != pulse
    assert space.undo(study.id, "match", "Ann") == ()
    assert [d.who for d in space.decisions(study.id)] == ["Bob", "Bob", "Ann"]


def test_two_readers_at_once_lose_nothing(space, study):
    def decide(number):
        Workspace().decide(study.id, "review", {"cell": number}, f"reader {number % 2}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(decide, range(60)))
    assert sorted(d.payload["cell"] for d in space.decisions(study.id)) == list(range(60))
