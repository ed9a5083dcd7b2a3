"""The public names of the simulations, each once; `__init__` imports a name from here when it is asked for."""

from neurondeath.simulations.advice import advise as advise
from neurondeath.simulations.dead_units import dead_unit_count as dead_unit_count
from neurondeath.simulations.estimation.confidence_sequences import (
    bernoulli_confidence_sequence as bernoulli_confidence_sequence,
)
from neurondeath.simulations.estimation.confidence_sequences import (
    bounded_mean_confidence_sequence as bounded_mean_confidence_sequence,
)
from neurondeath.simulations.estimation.dead_unit_counts import DeadUnitCount as DeadUnitCount
from neurondeath.simulations.estimation.estimates import Simulation as Simulation
from neurondeath.simulations.inference.networks import SparseNetwork as SparseNetwork
from neurondeath.simulations.inference.networks import load_sparse as load_sparse
from neurondeath.simulations.inputs.input_sets import InputSet as InputSet
from neurondeath.simulations.inputs.input_sets import input_set as input_set
from neurondeath.simulations.learning_forecast import LawRemedy as LawRemedy
from neurondeath.simulations.learning_forecast import Trainability as Trainability
from neurondeath.simulations.learning_forecast import trainability as trainability
from neurondeath.simulations.monte_carlo import simulate as simulate
from neurondeath.simulations.stores.errors import ContradictionError as ContradictionError
from neurondeath.simulations.stores.errors import OverlapError as OverlapError
from neurondeath.simulations.stores.merging import Merge as Merge
from neurondeath.simulations.stores.merging import merge_stores as merge_stores
from neurondeath.simulations.stores.store import Store as Store
from neurondeath.simulations.stores.store import StoreError as StoreError
from neurondeath.simulations.sweep_results import SimulationResults as SimulationResults
from neurondeath.simulations.sweep_results import read_results as read_results
from neurondeath.simulations.sweep_results import sweep as sweep
from neurondeath.simulations.task import Task as Task
from neurondeath_theory.foundation.interruption import Interrupted as Interrupted
