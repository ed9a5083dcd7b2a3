"""Decide, before anyone trains, whether a rectifier network will live.

>>> import neurondeath as nd
>>> print(nd.survival_bounds([3] * 20))
0.069209 <= P(alive through 20 layers) <= 0.99537
"""

from typing import TYPE_CHECKING

from neurondeath_theory._lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "ActivateWhilePruning": "neurondeath_torch.methods.activate_while_pruning",
        "Advice": "neurondeath_theory.advice",
        "BatchNormStatement": "neurondeath_theory.remedies",
        "BranchSurvival": "neurondeath_theory.remedies",
        "DataAwareBounds": "neurondeath_theory.data_aware",
        "DeadUnitMonitor": "neurondeath_torch.watching.monitor",
        "DemonPruning": "neurondeath_torch.methods.demon_pruning",
        "DepthScales": "neurondeath_theory.correlation",
        "EdgeOfChaos": "neurondeath_theory.critical_designs",
        "Escape": "neurondeath_theory.finite_width",
        "FirstLayerDeath": "neurondeath_theory.first_layer",
        "FixedPoint": "neurondeath_theory.variance_fixed_points",
        "FixedPoints": "neurondeath_theory.variance_fixed_points",
        "GrowingVariance": "neurondeath_theory.fixed_scale",
        "GrowingWidthSchedule": "neurondeath_theory.schedules",
        "HoldingBounds": "neurondeath_theory.network_bounds",
        "InputSet": "simulations.inputs",
        "InvalidArgumentError": "neurondeath_theory.errors",
        "LogWidthSchedule": "neurondeath_theory.schedules",
        "Network": "neurondeath_theory.network",
        "NeuronDeathError": "neurondeath_theory.errors",
        "OneDimensionalSurvival": "neurondeath_theory.born_dead",
        "PhaseDiagram": "neurondeath_theory.phases",
        "PiecewiseLinear": "neurondeath_theory.activations",
        "Remedy": "neurondeath_theory.advice",
        "SafeRegion": "neurondeath_theory.design",
        "SafeWidth": "neurondeath_theory.sparse_networks",
        "SignFlipGuarantee": "neurondeath_theory.sign_flip",
        "Simulation": "simulations.estimation.estimates",
        "SparseSurvival": "neurondeath_theory.sparse_networks",
        "Store": "simulations.stores.store",
        "SurvivalBounds": "neurondeath_theory.survival",
        "SynapticStripping": "neurondeath_torch.methods.synaptic_stripping",
        "TwoPointSurvival": "neurondeath_theory.two_point",
        "VarianceChain": "neurondeath_theory.finite_width",
        "__version__": "neurondeath_theory._version",
        "absolute_value": "neurondeath_theory.activations",
        "absorbed_probability": "neurondeath_theory.absorbing_walk",
        "activation_sparsity": "neurondeath_theory.variance",
        "advise": "neurondeath_theory.advice",
        "audit": "neurondeath_torch.watching.auditing",
        "batch_norm_statement": "neurondeath_theory.remedies",
        "bernoulli_confidence_sequence": "simulations.estimation.confidence_sequences",
        "bounded_mean_confidence_sequence": "simulations.estimation.confidence_sequences",
        "bounds_that_hold": "neurondeath_theory.network_bounds",
        "check": "paper_check.verification",
        "chi1": "neurondeath_theory.variance",
        "chi1_slope": "neurondeath_theory.variance",
        "cite": "paper_check.citations",
        "clipped_shifted_relu": "neurondeath_theory.activations",
        "clipped_soft_threshold": "neurondeath_theory.activations",
        "convolution_covariance_map": "neurondeath_theory.convolution",
        "convolution_input_covariance": "neurondeath_theory.convolution",
        "correlation_map": "neurondeath_theory.correlation",
        "correlation_rate": "neurondeath_theory.correlation",
        "correlation_slope": "neurondeath_theory.correlation",
        "correlation_trajectory": "neurondeath_theory.correlation",
        "covariance_map": "neurondeath_theory.correlation",
        "data_aware_bounds": "neurondeath_theory.data_aware",
        "dense_survival": "neurondeath_theory.remedies",
        "depth_scales": "neurondeath_theory.correlation",
        "edge_of_chaos": "neurondeath_theory.critical_designs",
        "edge_of_chaos_": "neurondeath_torch.initialising.initialisation",
        "escape_probability": "neurondeath_theory.finite_width",
        "first_layer_death": "neurondeath_theory.first_layer",
        "fixed_points": "neurondeath_theory.variance_fixed_points",
        "growing_variance": "neurondeath_theory.fixed_scale",
        "growing_width_schedule": "neurondeath_theory.schedules",
        "hard_tanh": "neurondeath_theory.activations",
        "he_": "neurondeath_torch.initialising.initialisation",
        "identity": "neurondeath_theory.activations",
        "input_set": "simulations.inputs",
        "leaky_relu": "neurondeath_theory.activations",
        "log_width_schedule": "neurondeath_theory.schedules",
        "make_figure": "figures.gallery",
        "max_depth": "neurondeath_theory.design",
        "merge_stores": "simulations.stores.merging",
        "min_width": "neurondeath_theory.design",
        "one_dimensional_survival": "neurondeath_theory.born_dead",
        "pair_survival": "neurondeath_theory.two_point",
        "phase_diagram": "neurondeath_theory.phases",
        "rai_": "neurondeath_torch.initialising.initialisation",
        "rai_constant": "neurondeath_theory.rai",
        "relu": "neurondeath_theory.activations",
        "remove_dead_units": "neurondeath_torch.surgery.removal",
        "reset_units": "neurondeath_torch.surgery.resetting",
        "residual_survival": "neurondeath_theory.remedies",
        "safe_region": "neurondeath_theory.design",
        "safe_width": "neurondeath_theory.sparse_networks",
        "shifted_relu": "neurondeath_theory.activations",
        "sign_flip_": "neurondeath_torch.initialising.sign_flipping",
        "sign_flip_guarantee": "neurondeath_theory.sign_flip",
        "simulate": "simulations.monte_carlo",
        "skip_survival": "neurondeath_theory.remedies",
        "soft_threshold": "neurondeath_theory.activations",
        "sparse_design": "neurondeath_theory.critical_designs",
        "sparse_survival": "neurondeath_theory.sparse_networks",
        "stably_unactivated_probability": "neurondeath_theory.stably_unactivated",
        "survival_bounds": "neurondeath_theory.survival",
        "two_point_survival": "neurondeath_theory.two_point",
        "variance_chain": "neurondeath_theory.finite_width",
        "variance_curvature": "neurondeath_theory.variance",
        "variance_fluctuation": "neurondeath_theory.finite_width",
        "variance_map": "neurondeath_theory.variance",
        "variance_slope": "neurondeath_theory.variance",
    },
)

if TYPE_CHECKING:
    from figures.gallery import make_figure as make_figure
    from neurondeath_theory._version import __version__ as __version__
    from neurondeath_theory.absorbing_walk import absorbed_probability as absorbed_probability
    from neurondeath_theory.activations import PiecewiseLinear as PiecewiseLinear
    from neurondeath_theory.activations import absolute_value as absolute_value
    from neurondeath_theory.activations import clipped_shifted_relu as clipped_shifted_relu
    from neurondeath_theory.activations import clipped_soft_threshold as clipped_soft_threshold
    from neurondeath_theory.activations import hard_tanh as hard_tanh
    from neurondeath_theory.activations import identity as identity
    from neurondeath_theory.activations import leaky_relu as leaky_relu
    from neurondeath_theory.activations import relu as relu
    from neurondeath_theory.activations import shifted_relu as shifted_relu
    from neurondeath_theory.activations import soft_threshold as soft_threshold
    from neurondeath_theory.advice import Advice as Advice
    from neurondeath_theory.advice import Remedy as Remedy
    from neurondeath_theory.advice import advise as advise
    from neurondeath_theory.born_dead import OneDimensionalSurvival as OneDimensionalSurvival
    from neurondeath_theory.born_dead import one_dimensional_survival as one_dimensional_survival
    from neurondeath_theory.convolution import convolution_covariance_map as convolution_covariance_map
    from neurondeath_theory.convolution import convolution_input_covariance as convolution_input_covariance
    from neurondeath_theory.correlation import DepthScales as DepthScales
    from neurondeath_theory.correlation import correlation_map as correlation_map
    from neurondeath_theory.correlation import correlation_rate as correlation_rate
    from neurondeath_theory.correlation import correlation_slope as correlation_slope
    from neurondeath_theory.correlation import correlation_trajectory as correlation_trajectory
    from neurondeath_theory.correlation import covariance_map as covariance_map
    from neurondeath_theory.correlation import depth_scales as depth_scales
    from neurondeath_theory.critical_designs import EdgeOfChaos as EdgeOfChaos
    from neurondeath_theory.critical_designs import edge_of_chaos as edge_of_chaos
    from neurondeath_theory.critical_designs import sparse_design as sparse_design
    from neurondeath_theory.data_aware import DataAwareBounds as DataAwareBounds
    from neurondeath_theory.data_aware import data_aware_bounds as data_aware_bounds
    from neurondeath_theory.design import SafeRegion as SafeRegion
    from neurondeath_theory.design import max_depth as max_depth
    from neurondeath_theory.design import min_width as min_width
    from neurondeath_theory.design import safe_region as safe_region
    from neurondeath_theory.errors import InvalidArgumentError as InvalidArgumentError
    from neurondeath_theory.errors import NeuronDeathError as NeuronDeathError
    from neurondeath_theory.finite_width import Escape as Escape
    from neurondeath_theory.finite_width import VarianceChain as VarianceChain
    from neurondeath_theory.finite_width import escape_probability as escape_probability
    from neurondeath_theory.finite_width import variance_chain as variance_chain
    from neurondeath_theory.finite_width import variance_fluctuation as variance_fluctuation
    from neurondeath_theory.first_layer import FirstLayerDeath as FirstLayerDeath
    from neurondeath_theory.first_layer import first_layer_death as first_layer_death
    from neurondeath_theory.fixed_scale import GrowingVariance as GrowingVariance
    from neurondeath_theory.fixed_scale import growing_variance as growing_variance
    from neurondeath_theory.network import Network as Network
    from neurondeath_theory.network_bounds import HoldingBounds as HoldingBounds
    from neurondeath_theory.network_bounds import bounds_that_hold as bounds_that_hold
    from neurondeath_theory.phases import PhaseDiagram as PhaseDiagram
    from neurondeath_theory.phases import phase_diagram as phase_diagram
    from neurondeath_theory.rai import rai_constant as rai_constant
    from neurondeath_theory.remedies import BatchNormStatement as BatchNormStatement
    from neurondeath_theory.remedies import BranchSurvival as BranchSurvival
    from neurondeath_theory.remedies import batch_norm_statement as batch_norm_statement
    from neurondeath_theory.remedies import dense_survival as dense_survival
    from neurondeath_theory.remedies import residual_survival as residual_survival
    from neurondeath_theory.remedies import skip_survival as skip_survival
    from neurondeath_theory.schedules import GrowingWidthSchedule as GrowingWidthSchedule
    from neurondeath_theory.schedules import LogWidthSchedule as LogWidthSchedule
    from neurondeath_theory.schedules import growing_width_schedule as growing_width_schedule
    from neurondeath_theory.schedules import log_width_schedule as log_width_schedule
    from neurondeath_theory.sign_flip import SignFlipGuarantee as SignFlipGuarantee
    from neurondeath_theory.sign_flip import sign_flip_guarantee as sign_flip_guarantee
    from neurondeath_theory.sparse_networks import SafeWidth as SafeWidth
    from neurondeath_theory.sparse_networks import SparseSurvival as SparseSurvival
    from neurondeath_theory.sparse_networks import safe_width as safe_width
    from neurondeath_theory.sparse_networks import sparse_survival as sparse_survival
    from neurondeath_theory.stably_unactivated import stably_unactivated_probability as stably_unactivated_probability
    from neurondeath_theory.survival import SurvivalBounds as SurvivalBounds
    from neurondeath_theory.survival import survival_bounds as survival_bounds
    from neurondeath_theory.two_point import TwoPointSurvival as TwoPointSurvival
    from neurondeath_theory.two_point import pair_survival as pair_survival
    from neurondeath_theory.two_point import two_point_survival as two_point_survival
    from neurondeath_theory.variance import activation_sparsity as activation_sparsity
    from neurondeath_theory.variance import chi1 as chi1
    from neurondeath_theory.variance import chi1_slope as chi1_slope
    from neurondeath_theory.variance import variance_curvature as variance_curvature
    from neurondeath_theory.variance import variance_map as variance_map
    from neurondeath_theory.variance import variance_slope as variance_slope
    from neurondeath_theory.variance_fixed_points import FixedPoint as FixedPoint
    from neurondeath_theory.variance_fixed_points import FixedPoints as FixedPoints
    from neurondeath_theory.variance_fixed_points import fixed_points as fixed_points
    from neurondeath_torch.initialising.initialisation import edge_of_chaos_ as edge_of_chaos_
    from neurondeath_torch.initialising.initialisation import he_ as he_
    from neurondeath_torch.initialising.initialisation import rai_ as rai_
    from neurondeath_torch.initialising.sign_flipping import sign_flip_ as sign_flip_
    from neurondeath_torch.methods.activate_while_pruning import ActivateWhilePruning as ActivateWhilePruning
    from neurondeath_torch.methods.demon_pruning import DemonPruning as DemonPruning
    from neurondeath_torch.methods.synaptic_stripping import SynapticStripping as SynapticStripping
    from neurondeath_torch.surgery.removal import remove_dead_units as remove_dead_units
    from neurondeath_torch.surgery.resetting import reset_units as reset_units
    from neurondeath_torch.watching.auditing import audit as audit
    from neurondeath_torch.watching.monitor import DeadUnitMonitor as DeadUnitMonitor
    from paper_check.citations import cite as cite
    from paper_check.verification import check as check
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
    from simulations.stores.merging import merge_stores as merge_stores
    from simulations.stores.store import Store as Store
