"""`glass look`: what it prints, what it writes, and what it refuses."""

import json
import re

import pytest

EXAMPLE = "Walt sat at the smithy. He"


def test_the_terminal_shows_all_four_pictures_and_the_way_to_the_page(glass, monkeypatch):
    monkeypatch.setenv("COLUMNS", "140")
    code, out, err = glass("look", EXAMPLE, "-s", "temperature=0.8", "-s", "top_k=5")
    assert code == 0 and not err
    for said in ("·smithy", "given", "previous token", "by chance", "layer 3", "embedding", "top_k", "--html look.html"):
        assert said in out, said


def test_a_page_is_written_and_said(glass, tmp_path):
    code, out, _ = glass("look", "village-mini", EXAMPLE, "--place", 3, "--html", "look.html")
    text = (tmp_path / "look.html").read_text(encoding="utf-8")
    assert code == 0 and "wrote look.html: 9 tokens" in out and "glass look village-mini" in text
    assert json.loads(re.search(r'id="data">(.*?)</script>', text, re.S)[1])["place"] == 3


def test_over_time_reads_the_weights_of_every_step(glass, trained, tmp_path):
    kept = sorted((trained / "runs/tiny/checkpoints").glob("[0-9]*"))
    code, out, _ = glass("look", kept[-1], "One day", "--html", "a.html", "--over-time")
    moments = json.loads(re.search(r'id="data">(.*?)</script>', (tmp_path / "a.html").read_text(), re.S)[1])["moments"]
    assert code == 0 and f"at {len(kept)} steps of its training" in out and len(kept) > 1
    assert [moment["step"] for moment in moments] == [int(path.name) for path in kept]
    assert moments[0]["loss"] != moments[-1]["loss"]


def test_the_model_that_ships_shows_how_it_learned(glass, tmp_path):
    code, _, _ = glass("look", "village-mini", EXAMPLE, "--html", "a.html", "--over-time")
    moments = json.loads(re.search(r'id="data">(.*?)</script>', (tmp_path / "a.html").read_text(), re.S)[1])["moments"]
    assert code == 0 and [moment["step"] for moment in moments] == [0, 128, 500, 1000, 2000, 10000]
    assert moments[0]["loss"] > 7 > 5 > moments[-1]["loss"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((" ",), "no text"),
        (("village-mini",), "is a model"),
        (("village-mini", "a", "b"), "one word too many"),
        (("runs/none", "One day"), "does not exist"),
        ((EXAMPLE, "--html", "book.txt"), "does not end in .html"),
        ((EXAMPLE, "--over-time"), "--html"),
        ((EXAMPLE, "--place", "99"), "no place 99"),
        ((EXAMPLE, "-s", "top_k=many"), "top_k"),
        (("a b " * 400,), "reads 511 at once"),
    ],
)
def test_bad_input_is_one_sentence(glass, tmp_path, words, said):
    code, _, err = glass("look", *words)
    assert code == 2 and said in err and err.count("glass: ") == 1 and "Traceback" not in err, err
    assert not list(tmp_path.iterdir()), "nothing is half-written"
