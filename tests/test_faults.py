"""A small part of the benchmark of faults: kills, two servers, and bytes that rot."""

import pytest

from tests.benchmarks.faults import Bench, whole_files
from tests.benchmarks.faults_other import Other
from tests.benchmarks.faults_parts import FaultError, digest, results


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    return Bench(tmp_path_factory.mktemp("faults"), 0)


@pytest.mark.parametrize("kind", ["worker, embed", "group, matches", "starter, clusters"])
def test_work_goes_on_after_a_kill(bench, kind):
    bench.kill(kind)


def test_decisions_that_were_acknowledged_outlive_a_kill(bench):
    bench.kill("decisions")


def test_two_servers_lose_no_decision(bench):
    Other(bench).meet("two servers, decisions")


@pytest.mark.parametrize("what", ["results", "database"])
def test_bytes_that_rot_change_nothing(bench, what):
    Other(bench).meet(f"bytes rot, {what}")


def test_the_benchmark_sees_half_files(bench, tmp_path):
    home = bench.fresh(bench.done)
    bench.same(home, "classify")
    path = sorted((home / "results").rglob("classify-*.joblib"))[0]
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(FaultError, match="half a result"):
        results(home)
    path.unlink()
    with pytest.raises(FaultError, match="no classify"):
        bench.same(home, "classify")
    (tmp_path / "a.csv").write_text("a")
    assert set(whole_files(tmp_path)) == {"a.csv"}
    assert digest({"a": (1, 2)}) != digest({"a": (2, 1)})


def test_the_benchmark_sees_lost_decisions(bench):
    home = bench.fresh(bench.done)
    with pytest.raises(FaultError, match="1 decisions lost"):
        bench.kept(home, [[123]])
