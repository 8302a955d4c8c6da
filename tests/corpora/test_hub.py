import socket
import subprocess
import sys

import pytest

from glassformer.corpora import corpus
from glassformer.corpora.hub import Hub
from glassformer.errors import CorpusError, MissingPackage

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")
pytest.importorskip("datasets")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A dataset of two Parquet files, and no network."""

    def refuse(*args):
        raise OSError("no network in this test")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    for constants in ("datasets.config", "huggingface_hub.constants"):  # else it tries again and again for 20 s
        monkeypatch.setattr(f"{constants}.HF_HUB_OFFLINE", True)
    texts = [f"text {i} ✓" for i in range(700)] + [None, "  "]
    for part, rows in enumerate((texts[:300], texts[300:])):
        table = pyarrow.table({"text": rows, "stars": list(range(len(rows)))})
        parquet.write_table(table, tmp_path / f"train-{part:05d}-of-00002.parquet", row_group_size=100)
    parquet.write_table(pyarrow.table({"text": ["held"]}), tmp_path / "validation-00000-of-00001.parquet")
    return tmp_path


def test_a_local_dataset_is_read_in_order_without_a_network(folder):
    hub = corpus(f"hf:{folder}")
    found = list(hub.documents())
    assert [d.text for d in found] == [f"text {i} ✓" for i in range(700)] + ["", ""]
    assert found[16].origin == f"hf:{folder}/train:17"
    assert [str(d) for d in found[700:]] == [f"hf:{folder}/train:{n} is empty" for n in (701, 702)]
    assert hub.sources == (f"hf:{folder.name}",)
    assert [d.text for d in hub.override("split=validation").documents()] == ["held"]


def test_names_of_the_hub():
    assert corpus("hf:roneneldan/TinyStories") == Hub(dataset="roneneldan/TinyStories")
    assert corpus("hf:wikitext:wikitext-2-raw-v1") == Hub(dataset="wikitext", subset="wikitext-2-raw-v1")
    assert corpus("hf:wikitext").sources == ("hf:wikitext",)


@pytest.mark.parametrize("setting", ["split=test", "text_field=body", "subset=other"])
def test_what_is_not_there_is_one_sentence(folder, setting):
    hub = corpus(f"hf:{folder}").override(setting)
    if setting.startswith("text_field"):
        assert len(list(hub.documents())) == 702  # the only text column
        parquet.write_table(pyarrow.table({"a": ["x"], "b": ["y"]}), folder / "train-00000-of-00002.parquet")
        parquet.write_table(pyarrow.table({"a": ["x"], "b": ["y"]}), folder / "train-00001-of-00002.parquet")
    with pytest.raises(CorpusError) as error:
        list(hub.documents())
    assert "\n" not in str(error.value) and str(folder) in str(error.value)


def test_no_folder_and_no_network_are_one_sentence(folder):
    with pytest.raises(CorpusError, match="there is no folder"):
        list(corpus("hf:./nowhere").documents())
    with pytest.raises(CorpusError, match="cannot be read .* network"):
        list(corpus("hf:nobody/nothing").documents())


def test_a_damaged_file_is_one_sentence(folder):
    path = folder / "train-00001-of-00002.parquet"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CorpusError, match="cannot be read"):
        list(corpus(f"hf:{folder}").documents())


def test_the_fingerprint_reads_no_text_and_loads_no_package(folder):
    first = corpus(f"hf:{folder}").fingerprint()
    assert corpus(f"hf:{folder}").override("split=validation").fingerprint() != first
    (folder / "train-00002-of-00002.parquet").write_bytes(b"more")
    assert corpus(f"hf:{folder}").fingerprint() != first
    prints = {corpus(f"hf:{name}").fingerprint() for name in ("a/b", "a/c", "a/b:x")}
    assert len(prints | {corpus("hf:a/b").override("revision=v1").fingerprint()}) == 4
    code = "import sys; from glassformer.corpora import corpus; corpus('hf:a/b').fingerprint(); "
    code += "sys.exit('datasets' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_missing_package_is_one_sentence(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingPackage, match=" -m pip install datasets$"):
        list(corpus(f"hf:{folder}").documents())
