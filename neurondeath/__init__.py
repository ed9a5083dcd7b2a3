"""Decide, before anyone trains, whether a rectifier network will live and learn.

>>> import neurondeath as nd
>>> print(nd.survival_bounds(width=3, depth=20))
0.069209 <= P(alive through 20 layers) <= 0.96354

Every public name is imported when it is first used; names for PyTorch need the extra `torch`.

Networks and activations
    absolute_value, bounds_that_hold, clipped_shifted_relu, clipped_soft_threshold, hard_tanh, HoldingBounds,
    identity, Law, leaky_relu, Network, PiecewiseLinear, rai_constant, relu, shifted_relu, soft_threshold

Survival
    absorbed_probability, data_aware_bounds, DataAwareBounds, first_layer_death, FirstLayerDeath,
    growing_width_schedule, GrowingWidthSchedule, log_width_schedule, LogWidthSchedule, max_depth, min_width,
    one_dimensional_survival, OneDimensionalSurvival, pair_survival, safe_region, SafeRegion,
    stably_unactivated_probability, survival_bounds, SurvivalBounds, two_point_survival, TwoPointSurvival

Remedies
    Advice, advise, batch_norm_statement, BatchNormStatement, BranchSurvival, dense_survival, FeatureRemedy, Remedy,
    residual_survival, sign_flip_guarantee, SignFlipGuarantee, skip_survival, sparse_autoencoder_death,
    SparseAutoencoderDeath

Gaussian limit
    activation_sparsity, chi1, chi1_slope, convolution_covariance_map, convolution_input_covariance,
    correlation_map, correlation_rate, correlation_slope, correlation_trajectory, covariance_map, depth_scales,
    DepthScales, edge_of_chaos, EdgeOfChaos, Escape, escape_probability, fixed_points, FixedPoint, FixedPoints,
    growing_variance, GrowingVariance, phase_diagram, PhaseDiagram, safe_width, SafeWidth, sparse_design,
    sparse_survival, SparseSurvival, variance_chain, variance_curvature, variance_fluctuation, variance_map,
    variance_slope, VarianceChain

Trainability
    angle_law, AngleLaw, AngleStep, angle_step, correlation_flow, critical_residual, entropy_rank,
    entropy_rank_of_gram, FeatureRank, kernel_share, largest_effective_depth, LawRemedy, leaky_correlation,
    learning_score, learning_verdict, LearningVerdict, log_sizes, LogSizes, LooksLinear, looks_linear,
    mirrored_weights, padded_residual, PaddedResidual, parallel_probability, participation_ratio,
    participation_ratio_of_gram, residual_chain, ResidualChain, ResidualFluctuations, residual_fluctuations,
    ResidualPaths, root_rank, small_angle_step, TailoredSlope, tailored_slope, trainability, Trainability,
    variance_flow, wide_feature_rank

Simulation
    bernoulli_confidence_sequence, bounded_mean_confidence_sequence, ContradictionError, dead_unit_count,
    DeadUnitCount, input_set, InputSet, Merge, merge_stores, OverlapError, read_results, simulate, Simulation,
    SimulationResults, Store, StoreError, sweep, Task

Inference
    export_onnx, load_sparse, needed_share, needed_units, NeededUnits, OnnxExport, sparse_inference, SparseNetwork

Figures and evidence
    check, cite, Evidence, FIGURES, make_figure, Report, Verdict

PyTorch: networks and initialisation
    ClippedShiftedReLU, ClippedSoftThreshold, CriticalResidual, CriticalResidualConv2d, edge_of_chaos_, from_theory,
    he_, Initialisation, JumpReLU, looks_linear_, rai_, residual_, ResidualRewiring, ShiftedReLU, sign_flip_,
    SignFlip, smooth_leaky_, SmoothLeaky, SoftThreshold, tailored_leaky_relu, TiedLinear, to_theory, TopK

PyTorch: watching, audit and surgery
    Audit, audit, AuditedLayer, Certificate, Clones, DeadUnitMonitor, DeadUnitReport, find_clones, forecast,
    gradient_dormant, load_shrunk, ModelForecast, Overlap, RemedyForecast, Removal, remove_dead_units, remove_units,
    resample_units, Reset, reset_units, UnitActivity

PyTorch: reports where training is logged
    Alarm, lightning_callback, TensorBoardWriter, trainer_callback, UnitWatch, WandbWriter

PyTorch: methods and training
    ActivateWhilePruning, AuxK, Constant, ContinualBackprop, count_worth, CountWorth, DemonPruning, Experiment,
    GlobalPruning, L2Init, learning_rate_for_life, LearningRateForLife, load_trained, MethodReport, MisuseWarning,
    NoMethod, OneCycle, read_experiments, read_study, ReDo, save_trained, SelfNormalisedResets, StructuredPruning,
    SynapticStripping, train, train_many, TrainingMethod, TrainingRun, WeightMasks

Errors and version
    AssumptionError, Interrupted, InvalidArgumentError, MissingExtraError, NeuronDeathError
"""

from neurondeath_theory.foundation.lazy_imports import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(__name__, __file__)
