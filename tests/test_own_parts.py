"""Parts of one's own: every file of docs/own_parts.md keeps its promises and trains, and wrong ones fail early, by name."""

import re
from pathlib import Path

import pytest

from glassformer.config import variants
from glassformer.lab import contracts
from glassformer.lab.contracts import Part, bounded, parts_of, verdicts
from glassformer.lab.contracts import model as of_models
from glassformer.lab.contracts.parts import slots

PAGE = Path(__file__).parents[1] / "docs" / "own_parts.md"
FILES = {name: text for text, name in re.findall(r"^```python\n(# (my_\w+\.py)\n.*?)^```", PAGE.read_text(), re.M | re.S)}
USED = re.findall(r"^\./glass train (?:village )?([\w.]+)=\./(my_\w+\.py)(?:\s|$)", PAGE.read_text(), re.M)
SETTINGS = {file: setting for setting, file in USED}
SMALL = (
    "model.embed=token", "model.head=tied", "train.sampler=windows",
    "tokenizer=byte", "model.n_layer=1", "model.n_embd=16", "model.n_head=2", "model.context_length=16",
    "train.micro_batch_size=2", "train.precision=fp32", "train.eval_tokens=64", "train.sample_every=0",
    "train.optimizer=adamw",
)  # fmt: skip
"""For the recipe `mini` and a small text."""


def small_settings(*settings: str, steps: int = 2) -> list[str]:
    chosen = {word.partition("=")[0] for word in settings}
    return [*(word for word in SMALL if word.partition("=")[0] not in chosen), f"train.steps={steps}", *settings]


@pytest.fixture
def train(glass, monkeypatch):
    """`glass train` on a small text with these settings, in a folder with the files of the page."""
    monkeypatch.setattr(of_models, "N_COMBINATIONS", 1)
    for name, text in FILES.items():
        Path(name).write_text(text)
    Path("text.txt").write_text("".join(f"{i} geese and {i + 1} goats met at the well.\n\n" for i in range(200)))

    def call(*settings: str, steps: int = 2, name: str = "x"):
        source = [] if any(word.startswith("corpus=") for word in settings) else ["text.txt"]
        return glass("train", *source, *small_settings(*settings, steps=steps), "--name", name)

    return call


def test_every_slot_that_a_user_can_fill_has_a_file_on_the_page():
    assert {*SETTINGS.values()} == {*slots()} - {"model.position.scaling"} and {*SETTINGS} == {*FILES}


@pytest.mark.parametrize("file", FILES)
def test_every_file_of_the_page_keeps_its_promises(train, file):
    (part,) = parts_of(file)
    assert part.setting == SETTINGS[file]
    left_out = {"one_batch_overfits", "twins_agree", "works_in_bfloat16", "ragged_row_equals_the_row_alone"}
    quick = [promise for promise in contracts.promises(part) if promise.__name__ not in left_out]
    for promise in quick:
        for case in contracts.cases(part)[0]:
            assert not contracts._how(promise, case, part)


@pytest.mark.slow
@pytest.mark.parametrize("file", FILES)
def test_every_file_of_the_page_keeps_all_promises_and_trains_alone(train, file, monkeypatch):
    monkeypatch.setattr(of_models, "N_COMBINATIONS", 4)
    assert not [v for part in parts_of(file) for v in verdicts(part) if v.broken]
    code, _, err = train(f"{SETTINGS[file]}=./{file}")
    assert code == 0, err


def test_all_parts_of_the_page_train_together(train, glass):
    chosen = [f"{setting}=./{file}" for file, setting in SETTINGS.items()]
    code, _, err = train(*chosen, "corpus.n_documents=60", "train.sample_every=1", "sample.max_new_tokens=4", steps=3)
    assert code == 0, err
    code, out, err = glass("generate", "runs/x", "1 + 2", "-s", "max_new_tokens=4", "-s", "processor.bonus=1")
    assert code == 0, err
    code, out, err = glass("resume", "runs/x")
    assert code == 0 and "nothing to resume" in out, err


BUILT_IN = [
    (setting, name) for setting, slot in slots().items() if not setting.startswith("model.")
    for name in variants(slot) if name not in ("files", "hub", "mixture", "village")
]  # fmt: skip


@pytest.mark.parametrize(("setting", "name"), BUILT_IN)
def test_every_built_in_part_keeps_the_promises_of_its_kind(setting, name):
    assert not [v for v in verdicts(Part(setting, slots()[setting], name)) if v.broken or v.unchecked]


# What goes wrong: (file, text, its replacement, the promise that names it, words of the promise, words of `train`).
WRONG = {
    "a mixer without a cache": (
        "my_mixer.py", "def make_cache", "def make_a_cache", "fits_its_place",
        "(WindowMean) has no make_cache", "my_mixer.py: blocks.0.mixer (WindowMean) has no make_cache",
    ),
    "an optimizer that ignores the rate": (
        "my_optimizer.py", 'sub_(group["lr"] * direction)', "sub_(0.001 * direction)", "follows_the_learning_rate",
        "at a learning rate of 0, embed.weight changes", None,
    ),
    "an optimizer that climbs": (
        "my_optimizer.py", "sub_(group", "add_(group", "lowers_the_loss", "does `step` subtract the update", None,
    ),
    "an optimizer with a memory of its own": (
        "my_optimizer.py", 'self.state[p]["mean"]',
        'self.__dict__.setdefault("own", {}).setdefault(p, torch.zeros_like(p))', "resumes_exactly",
        "differs after a resume: keep what `step` remembers in self.state[p]", None,
    ),
    "an optimizer that decays what is frozen": (
        "my_optimizer.py", "        for p in params:\n",
        "        [p.mul_(0.9) for p in group['params'] if p.grad is None]\n        for p in params:\n",
        "leaves_frozen_parameters_alone", "has no gradient (p.grad is None) and changes", None,
    ),
    "an optimizer that raises": (
        "my_optimizer.py", "            mean.lerp_", "            mean.lurp_", "builds_a_torch_optimizer",
        "AttributeError", "line 31 of my_optimizer.py: mean.lurp_(p.grad, 0.01)",
    ),
    "no optimizer": (
        "my_optimizer.py", "return Signs(grouped", "return print(grouped", "builds_a_torch_optimizer",
        "build returns a NoneType, no torch.optim.Optimizer", "returns a NoneType, which is no torch.optim.Optimizer",
    ),
    "a schedule that returns nothing": (
        "my_schedule.py", "return min(", "min(", "gives_a_share_of_the_peak", "is None, not a number",
        "the factor at step 0 of 2 is None, not a number; does every path of after_warmup end in `return`?",
    ),
    "a schedule that climbs the loss": (
        "my_schedule.py", "return min(", "return -min(", "gives_a_share_of_the_peak", "from 0 up",
        "after_warmup must return a finite number from 0 up",
    ),
    "a schedule that is NaN": (
        "my_schedule.py", "return min(", "return float('nan') * min(", "gives_a_share_of_the_peak", "is nan",
        "is nan; after_warmup must return a finite number",
    ),
    "a schedule that raises": (
        "my_schedule.py", "(1 - self.stable)", "(progress - progress)", "gives_a_share_of_the_peak", "ZeroDivisionError",
        "there is no learning rate for step 0 of 2",
    ),
    "a schedule with a memory": (
        "my_schedule.py", "return min(", "self.__dict__['n'] = 0.999 * self.__dict__.get('n', 1); return self.n * min(",
        "depends_on_the_step_alone", "of 100 was", None,
    ),
    "a loss with a mean": (
        "my_loss.py", "return nats *", "return nats.mean() if True else nats *", "gives_nats", "give one number per token",
        "one number per token, (2, 16), or per row, (2,), and no mean",
    ),
    "a loss without a gradient": (
        "my_loss.py", "documents=batch.documents)", "documents=batch.documents).detach()", "gives_nats",
        "nats has no gradient", "my_loss.py: nats has no gradient",
    ),
    "a loss that uses more than the call": (
        "my_loss.py", "        return nats", "        model.hidden(batch.ids)\n        return nats",
        "calls_the_model_alone", "the loss uses model.hidden", None,
    ),
    "a loss across rows": (
        "my_loss.py", "return nats *", "return nats / nats.amax() *", "rows_add_up", "over its rows one by one", None,
    ),
    "targets that are read": (
        "my_sampler.py", "return Batch.of(split.tokens.windows(starts, context_length + 1))",
        "b = Batch.of(split.tokens.windows(starts, context_length + 1)); return Batch(b.ids, b.ids)",
        "hides_the_targets", "100% of the targets are the ids at their own place", None,
    ),
    "batches that are drawn anew": (
        "my_sampler.py", "starts = (seed", "starts = (np.random.randint(99) + seed", "depends_on_seed_and_step_alone",
        "draw from (seed, step) alone", None,
    ),
    "ranks that read the same": (
        "my_sampler.py", "[rows_of(rank, ranks, batch_size)]", "", "shares_a_step_among_processes",
        "in one process and", None,
    ),
    "no batch": (
        "my_sampler.py", "return Batch.of(", "return list(", "gives_batches", "step 0 gives a list, no Batch",
        "my_sampler.py gives a list for a step, not a Batch",
    ),
    "every token ruled out": (
        "my_processor.py", "return z +", "return z - float('inf') +", "leaves_a_distribution",
        "rules out every token of a row", "rules out every token of a row, so none can be chosen",
    ),
    "NaN as a score": (
        "my_processor.py", "return z +", "return z * float('nan') +", "leaves_a_distribution", "NaN",
        "gives NaN or infinity",
    ),
    "texts that depend on each other": (
        "my_processor.py", "~seen", "~seen * len(z)", "reads_each_row_by_itself", "row 0 has other scores alone", None,
    ),
    "scores that are taken as they are": (
        "my_processor.py", "return z +", "return z.abs() +", "heeds_differences_alone",
        "start with z.log_softmax(-1)", None,
    ),
    "the certain token ruled out": (
        "my_processor.py", "return z +", "return z.masked_fill(z > 20 + z.mean(-1, keepdim=True), -1e999) +",
        "keeps_a_certain_token", "token 0 is ruled out although the model is sure of it", None,
    ),
    "a tokenizer that loses text": (
        "my_tokenizer.py", "data, ids, at = text.encode()", "data, ids, at = text.lower().encode()",
        "gives_each_text_back", "LOSSLESS = False", None,
    ),
    "a tokenizer that loses spaces": (
        "my_tokenizer.py", "text.encode()", "text.replace(' ', '').encode()", "gives_each_text_back",
        "keep what is lost", "my_tokenizer.py does not give its text back: ' geese and 1 goats m' comes back as 'geese",
    ),
    "a tokenizer whose state is not whole": (
        "my_tokenizer.py", "for pair in self.pairs]}", "for pair in self.pairs[1:]]}", "saved_equals_loaded", "", None,
    ),
    "a corpus without documents": (
        "my_corpus.py", "n_documents: int = 2000", "n_documents: int = 0", "yields_documents", "it yields no text",
        "my_corpus.py yields no documents; `documents` must yield Document(text, origin) for each text",
    ),
    "a corpus of strings": (
        "my_corpus.py", 'yield Document("\\n".join(lines), f"sums/{number}")', 'yield "\\n".join(lines)',
        "yields_documents", "document 0 is a str, no Document(text, origin)",
        "my_corpus.py: document 0 is a str; yield Document(text, origin)",
    ),
    "a corpus that raises": (
        "my_corpus.py", "draw = random.Random(self.seed)", "draw = random.Rundom(self.seed)", "yields_documents",
        "AttributeError", "line 12 of my_corpus.py: draw = random.Rundom(self.seed)",
    ),
    "a corpus of other documents each time": (
        "my_corpus.py", "random.Random(self.seed)", "random.Random()", "yields_the_same_documents_twice",
        "seed what is drawn", None,
    ),
}  # fmt: skip


def spoil(name: str) -> tuple:
    """Writes the wrong file; its name, and what is expected."""
    file, old, new, *expected = WRONG[name]
    text = Path(file).read_text()
    assert old in text
    Path(file).write_text(text.replace(old, new))
    return (file, *expected)


@pytest.mark.parametrize("name", WRONG)
def test_fault_27_a_wrong_part_of_any_kind_is_told_the_cause(train, name):
    file, promise, words, _ = spoil(name)
    found = next(v for v in verdicts(parts_of(file)[0]) if v.broken)
    assert found.promise == promise and words in found.broken, found


@pytest.mark.parametrize("name", [name for name, case in WRONG.items() if case[-1] is not None])
def test_fault_27_a_part_that_lacks_something_fails_before_there_is_a_run(train, name):
    file, _, _, words = spoil(name)
    code, _, err = train(f"{SETTINGS[file]}=./{file}")
    assert code == 2 and words in " ".join(err.split()) and "Traceback" not in err, err
    assert not Path("runs").exists()


def test_fault_27_an_optimizer_that_raises_later_stops_the_run_which_can_be_resumed(train, glass):
    text, start = Path("my_optimizer.py").read_text(), "        for p in params:\n"
    counting = "        self.n = getattr(self, 'n', 0) + 1\n        assert self.n < 30\n"
    Path("my_optimizer.py").write_text(text.replace(start, counting + start))
    chosen = ["train.optimizer=./my_optimizer.py", "train.checkpoint_every=2"]
    code, _, err = train(*chosen, steps=40)
    told = " ".join(err.split())
    assert code == 2 and "training stopped with" in told and "line 28 of my_optimizer.py: assert self.n < 30" in told, told
    again = f"train.optimizer={Path('my_optimizer.py').resolve()}"
    assert f"resume runs/x {again}" in told and Path("runs/x/checkpoints").is_dir()
    Path("my_optimizer.py").write_text(text)
    assert glass("resume", "runs/x")[0] == 2  # with the source that was kept
    code, _, err = glass("resume", "runs/x", again)
    assert code == 0, err
    assert "has changed" not in glass("generate", "runs/x", "-s", "max_new_tokens=3")[2]  # the mended source is kept


HANGS = """
import time
from glassformer.train.schedule import Schedule

class Slow(Schedule):
    def after_warmup(self, progress):
        while progress > 0.9:
            time.sleep(0.01)
        return 1.0
"""


def test_fault_30_a_part_that_hangs_is_named_and_the_others_are_tested(glass):
    Path("slow.py").write_text(HANGS.replace("progress > 0.9", "progress == 1.0"))
    found = {v.promise: v for v in bounded.verdicts(parts_of("slow.py")[0], seconds=3)}
    hung = [name for name, v in found.items() if "no answer within 3 s at line" in v.broken]
    assert hung == ["stays_past_the_end"] and "of slow.py: " in found["stays_past_the_end"].broken
    assert not found["depends_on_the_step_alone"].broken and not found["depends_on_the_step_alone"].unchecked


def test_fault_30_a_part_that_kills_the_process_is_named(glass):
    Path("slow.py").write_text(HANGS.replace("time.sleep(0.01)", "__import__('os')._exit(3)"))
    found = [*bounded.verdicts(parts_of("slow.py")[0], seconds=30)]
    assert found[0].broken == "the process that tested it died (exit code 3)"
    assert all('asks for "gives a share of the peak" first' in v.unchecked for v in found[1:])


def test_fault_30_all_tests_of_a_part_end_in_time(glass):
    Path("slow.py").write_text(HANGS)
    found = [*bounded.verdicts(parts_of("slow.py")[0], seconds=60, minutes=0.05)]
    assert found and all(v.unchecked == "0.05 minutes are over" for v in found)
