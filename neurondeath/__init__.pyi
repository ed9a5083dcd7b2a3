"""The public names of `neurondeath`, each once, by room; `__init__` imports a name from here when it is asked for."""

# networks and activations
# figures and evidence
from neurondeath.figures.gallery import make_figure as make_figure
from neurondeath.figures.registry import FIGURES as FIGURES
from neurondeath.paper_check.citations import cite as cite
from neurondeath.paper_check.evidence import Evidence as Evidence
from neurondeath.paper_check.evidence import Verdict as Verdict
from neurondeath.paper_check.verification import Report as Report
from neurondeath.paper_check.verification import check as check

# simulation
from neurondeath.simulations.estimation.confidence_sequences import (
    bernoulli_confidence_sequence as bernoulli_confidence_sequence,
)
from neurondeath.simulations.estimation.confidence_sequences import (
    bounded_mean_confidence_sequence as bounded_mean_confidence_sequence,
)
from neurondeath.simulations.estimation.estimates import Simulation as Simulation
from neurondeath.simulations.inputs.input_sets import InputSet as InputSet
from neurondeath.simulations.inputs.input_sets import input_set as input_set
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

# errors and version
from neurondeath_theory.foundation.errors import AssumptionError as AssumptionError
from neurondeath_theory.foundation.errors import InvalidArgumentError as InvalidArgumentError
from neurondeath_theory.foundation.errors import MissingExtraError as MissingExtraError
from neurondeath_theory.foundation.errors import NeuronDeathError as NeuronDeathError
from neurondeath_theory.foundation.interruption import Interrupted as Interrupted
from neurondeath_theory.foundation.version import __version__ as __version__

# gaussian limit
from neurondeath_theory.gaussian_limit.convolution import convolution_covariance_map as convolution_covariance_map
from neurondeath_theory.gaussian_limit.convolution import convolution_input_covariance as convolution_input_covariance
from neurondeath_theory.gaussian_limit.correlation import DepthScales as DepthScales
from neurondeath_theory.gaussian_limit.correlation import correlation_map as correlation_map
from neurondeath_theory.gaussian_limit.correlation import correlation_rate as correlation_rate
from neurondeath_theory.gaussian_limit.correlation import correlation_slope as correlation_slope
from neurondeath_theory.gaussian_limit.correlation import correlation_trajectory as correlation_trajectory
from neurondeath_theory.gaussian_limit.correlation import covariance_map as covariance_map
from neurondeath_theory.gaussian_limit.correlation import depth_scales as depth_scales
from neurondeath_theory.gaussian_limit.edge_of_chaos import EdgeOfChaos as EdgeOfChaos
from neurondeath_theory.gaussian_limit.edge_of_chaos import edge_of_chaos as edge_of_chaos
from neurondeath_theory.gaussian_limit.edge_of_chaos import sparse_design as sparse_design
from neurondeath_theory.gaussian_limit.fixed_points import FixedPoint as FixedPoint
from neurondeath_theory.gaussian_limit.fixed_points import FixedPoints as FixedPoints
from neurondeath_theory.gaussian_limit.fixed_points import fixed_points as fixed_points
from neurondeath_theory.gaussian_limit.growing_variance import GrowingVariance as GrowingVariance
from neurondeath_theory.gaussian_limit.growing_variance import growing_variance as growing_variance
from neurondeath_theory.gaussian_limit.phase_diagram import PhaseDiagram as PhaseDiagram
from neurondeath_theory.gaussian_limit.phase_diagram import phase_diagram as phase_diagram
from neurondeath_theory.gaussian_limit.sparse_survival import SafeWidth as SafeWidth
from neurondeath_theory.gaussian_limit.sparse_survival import SparseSurvival as SparseSurvival
from neurondeath_theory.gaussian_limit.sparse_survival import safe_width as safe_width
from neurondeath_theory.gaussian_limit.sparse_survival import sparse_survival as sparse_survival
from neurondeath_theory.gaussian_limit.variance import activation_sparsity as activation_sparsity
from neurondeath_theory.gaussian_limit.variance import chi1 as chi1
from neurondeath_theory.gaussian_limit.variance import chi1_slope as chi1_slope
from neurondeath_theory.gaussian_limit.variance import variance_curvature as variance_curvature
from neurondeath_theory.gaussian_limit.variance import variance_map as variance_map
from neurondeath_theory.gaussian_limit.variance import variance_slope as variance_slope
from neurondeath_theory.gaussian_limit.variance_chain import Escape as Escape
from neurondeath_theory.gaussian_limit.variance_chain import VarianceChain as VarianceChain
from neurondeath_theory.gaussian_limit.variance_chain import escape_probability as escape_probability
from neurondeath_theory.gaussian_limit.variance_chain import variance_chain as variance_chain
from neurondeath_theory.gaussian_limit.variance_chain import variance_fluctuation as variance_fluctuation
from neurondeath_theory.networks.activations import absolute_value as absolute_value
from neurondeath_theory.networks.activations import clipped_shifted_relu as clipped_shifted_relu
from neurondeath_theory.networks.activations import clipped_soft_threshold as clipped_soft_threshold
from neurondeath_theory.networks.activations import hard_tanh as hard_tanh
from neurondeath_theory.networks.activations import identity as identity
from neurondeath_theory.networks.activations import leaky_relu as leaky_relu
from neurondeath_theory.networks.activations import relu as relu
from neurondeath_theory.networks.activations import shifted_relu as shifted_relu
from neurondeath_theory.networks.activations import soft_threshold as soft_threshold
from neurondeath_theory.networks.network import Network as Network
from neurondeath_theory.networks.network_bounds import HoldingBounds as HoldingBounds
from neurondeath_theory.networks.network_bounds import bounds_that_hold as bounds_that_hold
from neurondeath_theory.networks.piecewise_linear import PiecewiseLinear as PiecewiseLinear
from neurondeath_theory.networks.rai import rai_constant as rai_constant

# remedies
from neurondeath_theory.remedies.advice import Advice as Advice
from neurondeath_theory.remedies.advice import Remedy as Remedy
from neurondeath_theory.remedies.advice import advise as advise
from neurondeath_theory.remedies.sign_flip import SignFlipGuarantee as SignFlipGuarantee
from neurondeath_theory.remedies.sign_flip import sign_flip_guarantee as sign_flip_guarantee
from neurondeath_theory.remedies.streams_and_batch_norm import BatchNormStatement as BatchNormStatement
from neurondeath_theory.remedies.streams_and_batch_norm import BranchSurvival as BranchSurvival
from neurondeath_theory.remedies.streams_and_batch_norm import batch_norm_statement as batch_norm_statement
from neurondeath_theory.remedies.streams_and_batch_norm import dense_survival as dense_survival
from neurondeath_theory.remedies.streams_and_batch_norm import residual_survival as residual_survival
from neurondeath_theory.remedies.streams_and_batch_norm import skip_survival as skip_survival

# survival
from neurondeath_theory.survival.absorbing_walk import absorbed_probability as absorbed_probability
from neurondeath_theory.survival.born_dead import OneDimensionalSurvival as OneDimensionalSurvival
from neurondeath_theory.survival.born_dead import one_dimensional_survival as one_dimensional_survival
from neurondeath_theory.survival.bounds import SurvivalBounds as SurvivalBounds
from neurondeath_theory.survival.bounds import survival_bounds as survival_bounds
from neurondeath_theory.survival.data_aware import DataAwareBounds as DataAwareBounds
from neurondeath_theory.survival.data_aware import data_aware_bounds as data_aware_bounds
from neurondeath_theory.survival.first_layer import FirstLayerDeath as FirstLayerDeath
from neurondeath_theory.survival.first_layer import first_layer_death as first_layer_death
from neurondeath_theory.survival.safe_sizes import SafeRegion as SafeRegion
from neurondeath_theory.survival.safe_sizes import max_depth as max_depth
from neurondeath_theory.survival.safe_sizes import min_width as min_width
from neurondeath_theory.survival.safe_sizes import safe_region as safe_region
from neurondeath_theory.survival.stably_unactivated import (
    stably_unactivated_probability as stably_unactivated_probability,
)
from neurondeath_theory.survival.two_point import TwoPointSurvival as TwoPointSurvival
from neurondeath_theory.survival.two_point import pair_survival as pair_survival
from neurondeath_theory.survival.two_point import two_point_survival as two_point_survival
from neurondeath_theory.survival.width_schedules import GrowingWidthSchedule as GrowingWidthSchedule
from neurondeath_theory.survival.width_schedules import LogWidthSchedule as LogWidthSchedule
from neurondeath_theory.survival.width_schedules import growing_width_schedule as growing_width_schedule
from neurondeath_theory.survival.width_schedules import log_width_schedule as log_width_schedule

# PyTorch: watching, audit and surgery
from neurondeath_torch.auditing.audit import Audit as Audit
from neurondeath_torch.auditing.audit import audit as audit
from neurondeath_torch.auditing.audited_layers import AuditedLayer as AuditedLayer

# PyTorch: networks and initialisation
from neurondeath_torch.initialising.initialisation import Initialisation as Initialisation
from neurondeath_torch.initialising.initialisation import edge_of_chaos_ as edge_of_chaos_
from neurondeath_torch.initialising.initialisation import he_ as he_
from neurondeath_torch.initialising.initialisation import rai_ as rai_
from neurondeath_torch.initialising.sign_flipping import SignFlip as SignFlip
from neurondeath_torch.initialising.sign_flipping import sign_flip_ as sign_flip_

# PyTorch: methods and training
from neurondeath_torch.methods.activate_while_pruning import ActivateWhilePruning as ActivateWhilePruning
from neurondeath_torch.methods.demon_pruning import DemonPruning as DemonPruning
from neurondeath_torch.methods.magnitude_pruning import GlobalPruning as GlobalPruning
from neurondeath_torch.methods.masks import WeightMasks as WeightMasks
from neurondeath_torch.methods.penalty_schedules import Constant as Constant
from neurondeath_torch.methods.penalty_schedules import OneCycle as OneCycle
from neurondeath_torch.methods.redo import ReDo as ReDo
from neurondeath_torch.methods.structured_pruning import StructuredPruning as StructuredPruning
from neurondeath_torch.methods.synaptic_stripping import SynapticStripping as SynapticStripping
from neurondeath_torch.methods.training_method import MethodReport as MethodReport
from neurondeath_torch.methods.training_method import NoMethod as NoMethod
from neurondeath_torch.methods.training_method import TrainingMethod as TrainingMethod
from neurondeath_torch.networks.activations import ClippedShiftedReLU as ClippedShiftedReLU
from neurondeath_torch.networks.activations import ClippedSoftThreshold as ClippedSoftThreshold
from neurondeath_torch.networks.activations import ShiftedReLU as ShiftedReLU
from neurondeath_torch.networks.activations import SoftThreshold as SoftThreshold
from neurondeath_torch.networks.activations import from_theory as from_theory
from neurondeath_torch.networks.activations import to_theory as to_theory
from neurondeath_torch.studies.tables import read_study as read_study
from neurondeath_torch.surgery.removal import Removal as Removal
from neurondeath_torch.surgery.removal import remove_dead_units as remove_dead_units
from neurondeath_torch.surgery.removal import remove_units as remove_units
from neurondeath_torch.surgery.resetting import Reset as Reset
from neurondeath_torch.surgery.resetting import reset_units as reset_units
from neurondeath_torch.surgery.shrunk_models import load_shrunk as load_shrunk
from neurondeath_torch.training.configuration import Experiment as Experiment
from neurondeath_torch.training.configuration import read_experiments as read_experiments
from neurondeath_torch.training.loop import TrainingRun as TrainingRun
from neurondeath_torch.training.loop import train as train
from neurondeath_torch.training.many_networks import train_many as train_many
from neurondeath_torch.watching.dead_unit_report import DeadUnitReport as DeadUnitReport
from neurondeath_torch.watching.dead_unit_report import UnitActivity as UnitActivity
from neurondeath_torch.watching.definitions import Overlap as Overlap
from neurondeath_torch.watching.monitor import DeadUnitMonitor as DeadUnitMonitor
