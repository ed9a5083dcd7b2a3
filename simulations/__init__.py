"""Monte Carlo of random rectifier networks: compiled samplers, estimates with errors, a store of results."""

from typing import TYPE_CHECKING

from neurondeath_theory._lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "InputSet": "simulations.inputs",
        "Interrupted": "simulations.driver",
        "Simulation": "simulations.estimates",
        "Store": "simulations.store",
        "StoreError": "simulations.store",
        "Task": "simulations.task",
        "input_set": "simulations.inputs",
        "simulate": "simulations.monte_carlo",
    },
)

if TYPE_CHECKING:
    from simulations.driver import Interrupted as Interrupted
    from simulations.estimates import Simulation as Simulation
    from simulations.inputs import InputSet as InputSet
    from simulations.inputs import input_set as input_set
    from simulations.monte_carlo import simulate as simulate
    from simulations.store import Store as Store
    from simulations.store import StoreError as StoreError
    from simulations.task import Task as Task
