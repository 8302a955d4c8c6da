"""`kill -9` at random moments: the preparation that continues ends with the very bytes of the undisturbed one."""

import itertools
import json
import os
import random
import re
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from glassformer.data import DataConfig
from glassformer.data.prepare import journal, prepare, reading
from glassformer.data.prepare.journal import Journal
from glassformer.data.shards import Dataset
from glassformer.errors import DatasetError

from .examples import BYTE, Written, dataset, sentences
from .killing import duration, finish, hashes, kill_after, start

pytestmark = pytest.mark.skipif(os.name == "nt", reason="SIGKILL")

IN_PROCESSES = {"tokenizer": {"name": "word", "vocab_size": 60}, "workers": 2, "trial": 0.02}
KINDS = {"byte": {}, "word, by two processes": IN_PROCESSES}


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("source") / "lines.jsonl"
    texts = sentences(6000)
    texts[3000:3010] = texts[:10]
    path.write_text("".join(json.dumps(text) + "\n" for text in texts) + "broken\n")
    return path


def survives(source: Path, tmp_path: Path, n_kills: int, generator: random.Random, settings: dict) -> int:
    """Kill, again and again until it was done or was killed so often; how often it was really killed while at work."""
    settings = {"shard_tokens": 10_000, **settings}
    seconds = duration(source, tmp_path / "whole", **settings)
    kills = 0
    while kills < n_kills:
        killed = kill_after(start(source, tmp_path / "cut", **settings), generator.uniform(0, seconds / 3))
        kills += killed
        if not killed:  # it was done: again from the beginning
            assert hashes(tmp_path / "cut") == hashes(tmp_path / "whole")
            for path in (tmp_path / "cut").iterdir():
                path.unlink()
    finish(start(source, tmp_path / "cut", **settings))
    assert hashes(tmp_path / "cut") == hashes(tmp_path / "whole")
    Dataset.open(tmp_path / "cut").verify()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cut", "whole"]
    return kills


@pytest.mark.parametrize("kind", KINDS)
def test_a_few_kills_change_nothing(source, tmp_path, kind):
    survives(source, tmp_path, 3, random.Random(), KINDS[kind])


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("kind", [*KINDS, "near duplicates"])
def test_twenty_kills_change_nothing(source, tmp_path, kind):
    survives(source, tmp_path, 20, random.Random(), KINDS.get(kind, {**IN_PROCESSES, "near_duplicates": 0.8}))


def test_the_dataset_that_was_there_stays_whole_until_the_new_one_is(source, tmp_path):
    seconds = duration(source, tmp_path / "set", shard_tokens=10_000)
    for n_tokens, share in enumerate((0.3, 0.6, 0.9), start=10_000):
        kill_after(start(source, tmp_path / "set", shard_tokens=n_tokens), seconds * share)
        Dataset.open(tmp_path / "set").verify()


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_the_workers_of_a_killed_preparation_end(source, tmp_path):
    process = start(source, tmp_path / "set", **{**IN_PROCESSES, "trial": 0.0, "every": 1e-9})
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while len(workers := children.read_text().split()) < 3 and process.poll() is None:  # one is Python's own
        time.sleep(0.01)
    process.kill()
    process.communicate()
    assert len(workers) >= 3
    until = time.monotonic() + 20
    while any(is_running(worker) for worker in workers):
        assert time.monotonic() < until, "workers outlive the preparation"
        time.sleep(0.05)


def is_running(pid: str) -> bool:
    """Whether there is a process that is not merely waiting to be buried."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture
def often(monkeypatch):
    """A line in the journal after every document, and small batches."""
    monkeypatch.setattr(journal, "EVERY", 0.0)
    monkeypatch.setattr(reading, "BATCH", 200)


TEXTS = [*sentences(40), *sentences(5)]
PAIRS = Written(pairs=tuple((text, "") for text in TEXTS))


def interrupted(folder: Path, moment: int, **settings) -> bool:
    """Prepare, until the journal was written `moment` times and then Ctrl-C; whether it came to that."""
    lines, real = itertools.count(1), Journal.write

    def write(self, stage, **facts):
        real(self, stage, **facts)
        if next(lines) == moment:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Journal, "write", write)
        try:
            dataset(folder, TEXTS, **settings)
            return False
        except KeyboardInterrupt:
            return True


@pytest.mark.parametrize("moment", [2, 5, 12, 17, 18, 19, 20, 30, 40])
def test_interrupted_in_any_stage_it_goes_on(often, tmp_path, moment):
    whole = hashes(dataset(tmp_path / "whole", TEXTS, shard_tokens=300).folder)
    assert interrupted(tmp_path / "cut", moment, shard_tokens=300)
    interrupted(tmp_path / "cut", 3, shard_tokens=300)  # and once more
    assert hashes(dataset(tmp_path / "cut", TEXTS, shard_tokens=300).folder) == whole


def test_no_line_with_another_digit_is_believed(tmp_path):
    lines = Journal(tmp_path, "key")
    lines.write("reading", consumed=1111)
    lines.write("reading", consumed=2222)
    path = tmp_path / journal.NAME
    path.write_bytes(path.read_bytes().replace(b"2222", b"2322"))
    assert Journal(tmp_path, "key").last("reading") == {"consumed": 1111}
    assert path.read_bytes().endswith(b"}\n") and b"2322" not in path.read_bytes()
    assert Journal.continues(tmp_path, "key") and not Journal.continues(tmp_path, "other")


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_journal_that_is_torn_or_changed_anywhere_is_as_good_as_its_whole_lines(often, tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("sets")
    whole = hashes(dataset(folder / "whole", TEXTS, shard_tokens=500).folder)
    assert interrupted(folder / "cut", data.draw(st.integers(1, 50)), shard_tokens=500)
    path = folder / ".cut.preparing" / journal.NAME
    torn = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(torn) - 1))
    if data.draw(st.booleans()):
        del torn[place:]
    else:
        torn[place] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(torn + data.draw(st.sampled_from([b"", b"{", b"\0" * 9, b"\n\n"])))
    assert hashes(dataset(folder / "cut", TEXTS, shard_tokens=500).folder) == whole
    assert sorted(path.name for path in folder.iterdir()) == ["cut", "whole"]


def test_it_says_from_where_it_continues(often, tmp_path):
    assert interrupted(tmp_path / "set", 30)
    told = []
    prepare(PAIRS, BYTE, DataConfig(), tmp_path / "set", lambda *now: told.append(now))
    sentences = [stage for stage, _, total in told if total == 0]
    assert len(sentences) == 1 and re.fullmatch(r"continuing from 0\.0 MB \(encoding train\)", sentences[0])
    assert not any(stage == "reading" for stage, _, total in told if total != 0)


@pytest.mark.parametrize("change", [{"shard_tokens": 99}, {"validation_fraction": 0.3}])
def test_the_leftover_of_another_dataset_is_not_continued(often, tmp_path, change):
    assert interrupted(tmp_path / "set", 20)
    whole = dataset(tmp_path / "whole", TEXTS, **change)
    assert hashes(dataset(tmp_path / "set", TEXTS, **change).folder) == hashes(whole.folder)


def test_a_fresh_one_ignores_what_is_left(often, tmp_path, monkeypatch):
    assert interrupted(tmp_path / "set", 20)
    monkeypatch.setattr(Journal, "continues", None)  # nobody asks
    prepare(PAIRS, BYTE, DataConfig(), tmp_path / "set", fresh=True).verify()


def test_only_the_name_was_missing(often, tmp_path, monkeypatch):
    whole = hashes(dataset(tmp_path / "whole", TEXTS).folder)
    real = os.rename
    monkeypatch.setattr(os, "rename", lambda *paths: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        dataset(tmp_path / "set", TEXTS)
    monkeypatch.setattr(os, "rename", real)
    monkeypatch.setattr(Written, "documents", None)
    assert hashes(dataset(tmp_path / "set", TEXTS).folder) == whole


@pytest.mark.parametrize("name", ["spool-texts", "spool-records", "train-documents.bin", "train-00000.bin"])
def test_files_that_are_not_as_the_journal_says_are_refused_and_removed(often, tmp_path, name):
    assert interrupted(tmp_path / "set", 30)
    os.truncate(tmp_path / ".set.preparing" / name, 3)
    with pytest.raises(DatasetError, match=f"{name} is shorter than the journal"):
        dataset(tmp_path / "set", TEXTS)
    assert list(tmp_path.iterdir()) == []
    dataset(tmp_path / "set", TEXTS)


def test_text_that_changes_while_it_is_read_is_refused(tmp_path, monkeypatch):
    prints = itertools.count()
    monkeypatch.setattr(Written, "fingerprint", lambda self: str(next(prints)))
    with pytest.raises(DatasetError, match="changed while it was read"):
        dataset(tmp_path / "set", TEXTS)
