"""The nets by their names. A new one is its ``build`` here, and in imgcrypt.export.registry what exports it."""

from __future__ import annotations

import functools
from collections.abc import Callable

from imgcrypt.errors import NetError
from imgcrypt.nets import baselines, fclbcnn, restorer
from imgcrypt.nets.fclbcnn import BlockModel
from imgcrypt.nets.restorer import Restorer

Model = BlockModel | Restorer

NETS: dict[str, Callable[[float, bool], Model]] = {
    "fclbcnn": fclbcnn.build,
    "restorer": restorer.build,
    **{method: functools.partial(baselines.build, method) for method in baselines.METHODS},
}
"""Name -> what builds an untrained net of a rate, for gray pictures alone or for color."""


def build(net: str, rate: float, gray: bool) -> Model:
    """An untrained net of this name and rate, for color or for gray pictures alone.

    Raises:
        NetError: no net is called so, or it does not serve the rate.
    """
    if net not in NETS:
        raise NetError(f"no net is called {net!r}; choose one of {', '.join(NETS)}")
    return NETS[net](rate, gray)
