"""Every architecture and init computes the same without the compiler, and with bounds checked."""

from tests.references.twins import assert_same_numbers, other_compilations


@other_compilations
def test_same_numbers_without_the_compiler_and_with_bounds_checked(setting, tmp_path):
    program = (
        "from neurondeath_theory.networks.activations import soft_threshold, relu;"
        "from neurondeath_theory.networks.law import Law;"
        "cases = [dict(init='rai'), dict(init='orthogonal', sign_flip='neuron'),"
        "dict(init='uniform', sign_flip='layer'),"
        "dict(architecture='residual'), dict(architecture='residual', effective_depth=1.0),"
        "dict(architecture='skip', block_depth=2, activation=soft_threshold(0.3)),"
        "dict(architecture='dense', bias_variance=0.2), dict(architecture='batch_norm'),"
        "dict(init='torch-default'), dict(init='truncated-normal'), dict(init='laplace', bias_law='weights'),"
        "dict(init='student-t', degrees_of_freedom=3), dict(init='sparse', zero_share=0.4), dict(init='looks-linear'),"
        "dict(init='looks-linear-gaussian'), dict(init=Law('own', lambda r, i, o: r.laplace(size=(o, i))))];"
        "tasks = [Task(Network([2] * 4, **case), input_set('gaussian:4', dimension=2), dtype='float64',"
        " engine='dense' if isinstance(case.get('init', ''), str) else 'numpy',"
        " outputs=() if case.get('architecture') == 'batch_norm' or 'sign_flip' in case else"
        " ('variance', 'effective_rank', 'log_gradient')) for case in cases];"
        "numbers = [run_shard(task, 2, 0, 2).statistics for task in tasks];"
        # normals agree to single precision only
        "digits = lambda x: 0.0 if abs(x) < 1e-9 else float(f'{x:.4g}');"
        "print([{k: [digits(x) for x in v.tolist()] for k, v in row.items()} for row in numbers])"
    )
    assert_same_numbers(program, setting, tmp_path)
