"""Neuron death in PyTorch: diagnose and initialise a network, and keep its units alive in training (extra `torch`)."""

from typing import TYPE_CHECKING

from neurondeath_theory._lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "ActivateWhilePruning": "neurondeath_torch.activate_while_pruning",
        "Audit": "neurondeath_torch.auditing",
        "AuditedLayer": "neurondeath_torch.auditing",
        "ClippedShiftedReLU": "neurondeath_torch.activations",
        "ClippedSoftThreshold": "neurondeath_torch.activations",
        "Constant": "neurondeath_torch.penalty_schedules",
        "DeadUnitMonitor": "neurondeath_torch.monitor",
        "DeadUnitReport": "neurondeath_torch.dead_unit_report",
        "DemonPruning": "neurondeath_torch.demon_pruning",
        "Experiment": "neurondeath_torch.training.configuration",
        "GlobalPruning": "neurondeath_torch.magnitude_pruning",
        "Initialisation": "neurondeath_torch.initialisation",
        "MethodReport": "neurondeath_torch.training_method",
        "NoMethod": "neurondeath_torch.training_method",
        "OneCycle": "neurondeath_torch.penalty_schedules",
        "Overlap": "neurondeath_torch.definitions",
        "ReDo": "neurondeath_torch.redo",
        "Removal": "neurondeath_torch.removal",
        "Reset": "neurondeath_torch.resetting",
        "ShiftedReLU": "neurondeath_torch.activations",
        "SignFlip": "neurondeath_torch.sign_flipping",
        "SoftThreshold": "neurondeath_torch.activations",
        "StructuredPruning": "neurondeath_torch.structured_pruning",
        "SynapticStripping": "neurondeath_torch.synaptic_stripping",
        "TrainingMethod": "neurondeath_torch.training_method",
        "TrainingRun": "neurondeath_torch.training.loop",
        "UnitActivity": "neurondeath_torch.dead_unit_report",
        "WeightMasks": "neurondeath_torch.masks",
        "audit": "neurondeath_torch.auditing",
        "edge_of_chaos_": "neurondeath_torch.initialisation",
        "from_theory": "neurondeath_torch.activations",
        "he_": "neurondeath_torch.initialisation",
        "load_shrunk": "neurondeath_torch.shrunk_models",
        "rai_": "neurondeath_torch.initialisation",
        "read_experiments": "neurondeath_torch.training.configuration",
        "remove_dead_units": "neurondeath_torch.removal",
        "remove_units": "neurondeath_torch.removal",
        "reset_units": "neurondeath_torch.resetting",
        "sign_flip_": "neurondeath_torch.sign_flipping",
        "to_theory": "neurondeath_torch.activations",
        "train": "neurondeath_torch.training.loop",
        "train_many": "neurondeath_torch.training.many_networks",
    },
)

if TYPE_CHECKING:
    from neurondeath_torch.activate_while_pruning import ActivateWhilePruning as ActivateWhilePruning
    from neurondeath_torch.activations import ClippedShiftedReLU as ClippedShiftedReLU
    from neurondeath_torch.activations import ClippedSoftThreshold as ClippedSoftThreshold
    from neurondeath_torch.activations import ShiftedReLU as ShiftedReLU
    from neurondeath_torch.activations import SoftThreshold as SoftThreshold
    from neurondeath_torch.activations import from_theory as from_theory
    from neurondeath_torch.activations import to_theory as to_theory
    from neurondeath_torch.auditing import Audit as Audit
    from neurondeath_torch.auditing import AuditedLayer as AuditedLayer
    from neurondeath_torch.auditing import audit as audit
    from neurondeath_torch.dead_unit_report import DeadUnitReport as DeadUnitReport
    from neurondeath_torch.dead_unit_report import UnitActivity as UnitActivity
    from neurondeath_torch.definitions import Overlap as Overlap
    from neurondeath_torch.demon_pruning import DemonPruning as DemonPruning
    from neurondeath_torch.initialisation import Initialisation as Initialisation
    from neurondeath_torch.initialisation import edge_of_chaos_ as edge_of_chaos_
    from neurondeath_torch.initialisation import he_ as he_
    from neurondeath_torch.initialisation import rai_ as rai_
    from neurondeath_torch.magnitude_pruning import GlobalPruning as GlobalPruning
    from neurondeath_torch.masks import WeightMasks as WeightMasks
    from neurondeath_torch.monitor import DeadUnitMonitor as DeadUnitMonitor
    from neurondeath_torch.penalty_schedules import Constant as Constant
    from neurondeath_torch.penalty_schedules import OneCycle as OneCycle
    from neurondeath_torch.redo import ReDo as ReDo
    from neurondeath_torch.removal import Removal as Removal
    from neurondeath_torch.removal import remove_dead_units as remove_dead_units
    from neurondeath_torch.removal import remove_units as remove_units
    from neurondeath_torch.resetting import Reset as Reset
    from neurondeath_torch.resetting import reset_units as reset_units
    from neurondeath_torch.shrunk_models import load_shrunk as load_shrunk
    from neurondeath_torch.sign_flipping import SignFlip as SignFlip
    from neurondeath_torch.sign_flipping import sign_flip_ as sign_flip_
    from neurondeath_torch.structured_pruning import StructuredPruning as StructuredPruning
    from neurondeath_torch.synaptic_stripping import SynapticStripping as SynapticStripping
    from neurondeath_torch.training.configuration import Experiment as Experiment
    from neurondeath_torch.training.configuration import read_experiments as read_experiments
    from neurondeath_torch.training.loop import TrainingRun as TrainingRun
    from neurondeath_torch.training.loop import train as train
    from neurondeath_torch.training.many_networks import train_many as train_many
    from neurondeath_torch.training_method import MethodReport as MethodReport
    from neurondeath_torch.training_method import NoMethod as NoMethod
    from neurondeath_torch.training_method import TrainingMethod as TrainingMethod
