"""The model inside its wrappers.

`torch.compile(model)` and `DistributedDataParallel(model)` return another module that holds the model as its only child.
Training calls the wrapper; parameter names, settings and kernels are those of the model inside. A module with parameters
of its own is no wrapper.
"""

from torch import nn

CHILDREN = ("_orig_mod", "module")
"""What torch.compile, and DataParallel and DistributedDataParallel, call the model that they hold."""


def unwrapped(model: nn.Module) -> nn.Module:
    """The model inside all wrappers; a model without one is returned as it is."""
    while len(model._modules) == 1 and not model._parameters:
        name, inner = next(iter(model._modules.items()))
        if name not in CHILDREN or inner is None:
            break
        model = inner
    return model
