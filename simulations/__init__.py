"""Monte Carlo of random rectifier networks: compiled samplers, estimates with errors, a store of results."""

from typing import TYPE_CHECKING

from neurondeath_theory._lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "ContradictionError": "simulations.stores.store_errors",
        "InputSet": "simulations.inputs",
        "Interrupted": "simulations.sweeps.interruption",
        "Merge": "simulations.stores.merging",
        "OverlapError": "simulations.stores.store_errors",
        "Simulation": "simulations.estimation.estimates",
        "Store": "simulations.stores.store",
        "StoreError": "simulations.stores.store",
        "Task": "simulations.task",
        "bernoulli_confidence_sequence": "simulations.estimation.confidence_sequences",
        "bounded_mean_confidence_sequence": "simulations.estimation.confidence_sequences",
        "input_set": "simulations.inputs",
        "merge_stores": "simulations.stores.merging",
        "simulate": "simulations.monte_carlo",
    },
)

if TYPE_CHECKING:
    from simulations.estimation.confidence_sequences import (
        bernoulli_confidence_sequence as bernoulli_confidence_sequence,
    )
    from simulations.estimation.confidence_sequences import (
        bounded_mean_confidence_sequence as bounded_mean_confidence_sequence,
    )
    from simulations.estimation.estimates import Simulation as Simulation
    from simulations.inputs import InputSet as InputSet
    from simulations.inputs import input_set as input_set
    from simulations.monte_carlo import simulate as simulate
    from simulations.stores.merging import Merge as Merge
    from simulations.stores.merging import merge_stores as merge_stores
    from simulations.stores.store import Store as Store
    from simulations.stores.store import StoreError as StoreError
    from simulations.stores.store_errors import ContradictionError as ContradictionError
    from simulations.stores.store_errors import OverlapError as OverlapError
    from simulations.sweeps.interruption import Interrupted as Interrupted
    from simulations.task import Task as Task
