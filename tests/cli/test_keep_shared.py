import argparse
from types import SimpleNamespace

from celltransfer_core.benchmark.run import options_of
from celltransfer_core.cli.benchmark import _given, add_benchmark, pair_options
from celltransfer_core.cli.evaluate import add_evaluate
from celltransfer_core.cli.settings import config_and_protocol

FOLDERS = ["--reference", "a", "--query", "b", "--out", "c"]


def evaluated(*words):
    parser = argparse.ArgumentParser()
    add_evaluate(parser)
    return config_and_protocol(parser.parse_args([*FOLDERS, *words]))[1]


def test_shared_cells_are_kept_on_demand():
    assert not evaluated().keep_shared
    assert evaluated("--keep-shared").keep_shared


def test_a_benchmark_takes_it_from_its_options_and_from_its_file():
    parser = argparse.ArgumentParser()
    add_benchmark(parser)
    for words, kept in ([], False), (["--keep-shared"], True):
        given = _given(parser.parse_args(["pairs.toml", *words]))
        assert pair_options(given).keep_shared is kept
    for value in (True, False):
        words = options_of(SimpleNamespace(settings={"keep-shared": value}), [])
        assert pair_options(words).keep_shared is value
