import subprocess
import sys
from pathlib import Path

from glassformer.corpora import corpus
from glassformer.corpora.python import Python


def test_it_is_the_library_without_tests_and_tables_and_it_compiles():
    documents = [d for d in Python().documents() if d.text]
    origins = [d.origin for d in documents]
    assert {"os.py", "json/decoder.py", "asyncio/tasks.py"} <= set(origins)
    assert not [o for o in origins if {"test", "tests", "site-packages", "encodings"} & set(Path(o).parts)]
    assert sum(len(d.text) for d in documents) > 5_000_000
    for document in documents[:100]:
        compile(document.text, document.origin, "exec", dont_inherit=True)


def test_the_order_and_the_fingerprint_never_change_and_the_cap_holds():
    capped = Python(megabytes=0.5)
    first = list(capped.documents())
    assert first == list(Python.named("python", megabytes=0.5).documents()) == list(Python().documents())[: len(first)]
    assert 300_000 < sum(len(d.text.encode()) for d in first) <= 500_000
    assert corpus("python").fingerprint() == Python().fingerprint() != capped.fingerprint()


def test_it_imports_no_torch():
    code = "import sys, glassformer.corpora.python; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
