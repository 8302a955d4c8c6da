"""Orthogonalisation by Newton-Schulz iteration, the core of Muon (Jordan et al., 2024; Bernstein and Newhouse, 2024).

    X = G / |G|
    five times:  A = X X^T,   X = a X + (b A + c A A) X        (a, b, c) = (3.4445, -4.7750, 2.0315)

If G = U S V^T, the result is close to U V^T: every direction of the gradient gets the same weight, however small its
singular value. The coefficients make small singular values grow fast, at the price of ending between about 0.7 and 1.2
instead of at 1, which is close enough for an optimizer.
"""

import torch
from torch import Tensor

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5


def plain(gradient: Tensor) -> Tensor:
    """gradient (..., M, N) -> the same shape, with singular values near 1."""
    a, b, c = COEFFICIENTS
    tall = gradient.shape[-2] > gradient.shape[-1]
    X = gradient.mT if tall else gradient  # the smaller side first, so that A is small
    X = X / (X.square().sum((-2, -1), keepdim=True).sqrt() + 1e-7)
    for _ in range(ITERATIONS):
        A = X @ X.mT
        X = a * X + (b * A + c * A @ A) @ X
    return X.mT if tall else X


def fused(gradient: Tensor) -> Tensor:
    """The twin of `plain`, computed in bf16: the iteration corrects its own rounding errors. All matrices go through it
    together, and a product is added to what it is added to while it is computed."""
    a, b, c = COEFFICIENTS
    tall = gradient.shape[-2] > gradient.shape[-1]
    X = (gradient.mT if tall else gradient).reshape(gradient.shape[:-2].numel(), *sorted(gradient.shape[-2:]))
    X = (X / (torch.linalg.vector_norm(X, dim=(-2, -1), keepdim=True) + 1e-7)).to(torch.bfloat16).contiguous()
    for _ in range(ITERATIONS):
        A = X @ X.mT
        X = torch.baddbmm(X, torch.baddbmm(A, A, A, beta=b, alpha=c), X, beta=a)
    X = X.to(gradient.dtype)
    return (X.mT if tall else X).reshape(gradient.shape)
