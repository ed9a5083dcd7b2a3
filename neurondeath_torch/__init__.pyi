"""The public names for PyTorch, each once; `__init__` imports a name from here on first access."""

# networks
# auditing
from neurondeath_torch.auditing.audit import Audit as Audit
from neurondeath_torch.auditing.audit import audit as audit
from neurondeath_torch.auditing.audited_layers import AuditedLayer as AuditedLayer
from neurondeath_torch.auditing.forecast import ModelForecast as ModelForecast
from neurondeath_torch.auditing.forecast import RemedyForecast as RemedyForecast
from neurondeath_torch.auditing.forecast import forecast as forecast

# deploying
from neurondeath_torch.deploying.onnx_export import OnnxExport as OnnxExport
from neurondeath_torch.deploying.onnx_export import export_onnx as export_onnx
from neurondeath_torch.deploying.sparse_inference import sparse_inference as sparse_inference

# initialising
from neurondeath_torch.initialising.initialisation import Initialisation as Initialisation
from neurondeath_torch.initialising.initialisation import edge_of_chaos_ as edge_of_chaos_
from neurondeath_torch.initialising.initialisation import he_ as he_
from neurondeath_torch.initialising.initialisation import rai_ as rai_
from neurondeath_torch.initialising.looks_linear import looks_linear_ as looks_linear_
from neurondeath_torch.initialising.residual import residual_ as residual_
from neurondeath_torch.initialising.residual_rewiring import ResidualRewiring as ResidualRewiring
from neurondeath_torch.initialising.sign_flipping import SignFlip as SignFlip
from neurondeath_torch.initialising.sign_flipping import sign_flip_ as sign_flip_

# methods
from neurondeath_torch.methods.activate_while_pruning import ActivateWhilePruning as ActivateWhilePruning
from neurondeath_torch.methods.auxiliary_reconstruction import AuxK as AuxK
from neurondeath_torch.methods.continual_backprop import ContinualBackprop as ContinualBackprop
from neurondeath_torch.methods.demon_pruning import DemonPruning as DemonPruning
from neurondeath_torch.methods.l2_init import L2Init as L2Init
from neurondeath_torch.methods.magnitude_pruning import GlobalPruning as GlobalPruning
from neurondeath_torch.methods.masks import WeightMasks as WeightMasks
from neurondeath_torch.methods.misuse import MisuseWarning as MisuseWarning
from neurondeath_torch.methods.penalty_schedules import Constant as Constant
from neurondeath_torch.methods.penalty_schedules import OneCycle as OneCycle
from neurondeath_torch.methods.redo import ReDo as ReDo
from neurondeath_torch.methods.self_normalised_resets import SelfNormalisedResets as SelfNormalisedResets
from neurondeath_torch.methods.structured_pruning import StructuredPruning as StructuredPruning
from neurondeath_torch.methods.synaptic_stripping import SynapticStripping as SynapticStripping
from neurondeath_torch.methods.training_method import MethodReport as MethodReport
from neurondeath_torch.methods.training_method import NoMethod as NoMethod
from neurondeath_torch.methods.training_method import TrainingMethod as TrainingMethod
from neurondeath_torch.networks.activations import from_theory as from_theory
from neurondeath_torch.networks.activations import to_theory as to_theory
from neurondeath_torch.networks.critical_residual import CriticalResidual as CriticalResidual
from neurondeath_torch.networks.critical_residual import CriticalResidualConv2d as CriticalResidualConv2d
from neurondeath_torch.networks.smooth_leaky import SmoothLeaky as SmoothLeaky
from neurondeath_torch.networks.smooth_leaky import smooth_leaky_ as smooth_leaky_
from neurondeath_torch.networks.sparse_codes import JumpReLU as JumpReLU
from neurondeath_torch.networks.sparse_codes import TiedLinear as TiedLinear
from neurondeath_torch.networks.sparse_codes import TopK as TopK
from neurondeath_torch.networks.tailored_leaky_relu import tailored_leaky_relu as tailored_leaky_relu
from neurondeath_torch.networks.thresholded_activations import ClippedShiftedReLU as ClippedShiftedReLU
from neurondeath_torch.networks.thresholded_activations import ClippedSoftThreshold as ClippedSoftThreshold
from neurondeath_torch.networks.thresholded_activations import ShiftedReLU as ShiftedReLU
from neurondeath_torch.networks.thresholded_activations import SoftThreshold as SoftThreshold

# reporting
from neurondeath_torch.reporting.callbacks import lightning_callback as lightning_callback
from neurondeath_torch.reporting.callbacks import trainer_callback as trainer_callback
from neurondeath_torch.reporting.unit_watch import Alarm as Alarm
from neurondeath_torch.reporting.unit_watch import UnitWatch as UnitWatch
from neurondeath_torch.reporting.writers import TensorBoardWriter as TensorBoardWriter
from neurondeath_torch.reporting.writers import WandbWriter as WandbWriter

# surgery
from neurondeath_torch.surgery.certificate import Certificate as Certificate
from neurondeath_torch.surgery.removal import Removal as Removal
from neurondeath_torch.surgery.removal import remove_dead_units as remove_dead_units
from neurondeath_torch.surgery.removal import remove_units as remove_units
from neurondeath_torch.surgery.resampling import resample_units as resample_units
from neurondeath_torch.surgery.resetting import Reset as Reset
from neurondeath_torch.surgery.resetting import reset_units as reset_units
from neurondeath_torch.surgery.shrunk_models import load_shrunk as load_shrunk

# training
from neurondeath_torch.training.configuration import Experiment as Experiment
from neurondeath_torch.training.experiment_files import read_experiments as read_experiments
from neurondeath_torch.training.loop import train as train
from neurondeath_torch.training.many_networks import train_many as train_many

# watching
from neurondeath_torch.training.trained_models import load_trained as load_trained
from neurondeath_torch.training.trained_models import save_trained as save_trained
from neurondeath_torch.training.training_run import TrainingRun as TrainingRun
from neurondeath_torch.watching.clones import Clones as Clones
from neurondeath_torch.watching.clones import find_clones as find_clones
from neurondeath_torch.watching.dead_unit_report import DeadUnitReport as DeadUnitReport
from neurondeath_torch.watching.dead_unit_report import UnitActivity as UnitActivity
from neurondeath_torch.watching.definitions import Overlap as Overlap
from neurondeath_torch.watching.gradient_dormancy import gradient_dormant as gradient_dormant
from neurondeath_torch.watching.monitor import DeadUnitMonitor as DeadUnitMonitor
