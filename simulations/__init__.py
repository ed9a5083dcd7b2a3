"""Monte Carlo of random rectifier networks: compiled samplers, estimates with errors, a store of results."""

from typing import TYPE_CHECKING

from neurondeath_theory._lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "ContradictionError": "simulations.store_errors",
        "InputSet": "simulations.inputs",
        "Interrupted": "simulations.driver",
        "Merge": "simulations.merging",
        "OverlapError": "simulations.store_errors",
        "Simulation": "simulations.estimates",
        "Store": "simulations.store",
        "StoreError": "simulations.store",
        "Task": "simulations.task",
        "bernoulli_confidence_sequence": "simulations.confidence_sequences",
        "bounded_mean_confidence_sequence": "simulations.confidence_sequences",
        "input_set": "simulations.inputs",
        "merge_stores": "simulations.merging",
        "simulate": "simulations.monte_carlo",
    },
)

if TYPE_CHECKING:
    from simulations.confidence_sequences import bernoulli_confidence_sequence as bernoulli_confidence_sequence
    from simulations.confidence_sequences import bounded_mean_confidence_sequence as bounded_mean_confidence_sequence
    from simulations.driver import Interrupted as Interrupted
    from simulations.estimates import Simulation as Simulation
    from simulations.inputs import InputSet as InputSet
    from simulations.inputs import input_set as input_set
    from simulations.merging import Merge as Merge
    from simulations.merging import merge_stores as merge_stores
    from simulations.monte_carlo import simulate as simulate
    from simulations.store import Store as Store
    from simulations.store import StoreError as StoreError
    from simulations.store_errors import ContradictionError as ContradictionError
    from simulations.store_errors import OverlapError as OverlapError
    from simulations.task import Task as Task
