"""What is moved out of a run's way loses nothing."""

from glassformer.runs.retention import set_aside


def test_a_checkpoint_that_is_set_aside_leaves_earlier_ones_of_its_step(tmp_path):
    checkpoint, places = tmp_path / "checkpoints/00000005", []
    for text in ("first", "second", "third"):
        checkpoint.mkdir(parents=True)
        (checkpoint / "state.json").write_text(text)
        places.append(set_aside(checkpoint, "damaged"))
    assert [place.name for place in places] == ["00000005", "00000005-2", "00000005-3"] and not checkpoint.exists()
    assert [(place / "state.json").read_text() for place in places] == ["first", "second", "third"]
