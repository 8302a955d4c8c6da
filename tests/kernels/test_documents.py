"""Where documents begin in a packed row, against what their numbers say one by one."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from glassformer.kernels.documents import opens, places, starts, within

ROWS = st.integers(1, 12).flatmap(
    lambda T: st.lists(st.lists(st.sampled_from([0, 0, 1, 4]), min_size=T, max_size=T), max_size=3).map(
        lambda steps: torch.tensor(steps, dtype=torch.long).view(-1, T).cumsum(1)
    )
)


def test_the_example_in_the_file():
    row = torch.tensor([[0, 0, 0, 1, 1, 5]])
    assert opens(row).int().tolist() == [[0, 0, 0, 1, 0, 1]]
    assert starts(row).tolist() == [[0, 0, 0, 3, 3, 5]]
    assert places(row).tolist() == [[0, 1, 2, 0, 1, 0]]


@given(documents=ROWS)
def test_tokens_are_told_apart_by_their_numbers(documents):
    T = documents.shape[1]
    numbers = documents.tolist()
    assert starts(documents).tolist() == [[row.index(n) for n in row] for row in numbers]
    assert places(documents).tolist() == [[t - row.index(n) for t, n in enumerate(row)] for row in numbers]
    assert opens(documents).tolist() == [[t > 0 and row.index(n) == t for t, n in enumerate(row)] for row in numbers]
    for queries in (T, T // 2):
        seen = within(torch.ones(queries, T, dtype=torch.bool), documents)
        assert seen[:, 0].tolist() == [[[a == b for b in row] for a in row[T - queries :]] for row in numbers]
