"""Checkers of training claims: tables with a known truth, intervals by another route, and the claims themselves."""

import numpy as np
import pytest
from scipy import stats

from neurondeath.paper_check.checkers.training import study_tables as training
from neurondeath.paper_check.checkers.training.difference_limits import image_limits
from neurondeath.paper_check.checkers.training.layer_zeros import layers_near
from neurondeath.paper_check.claims import packaged_claims
from neurondeath.paper_check.evidence import Setting, Verdict
from neurondeath.paper_check.verification import check
from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_torch.studies.tables import write_study

SEEDS = range(5)
TRAINING = [claim for claim in packaged_claims() if any(check.route == "training" for check in claim.checks)]


def rows(*, effect=1.0, noise=0.1, diverged=()):
    """Two methods at two widths over five seeds, three epochs; the second method adds `effect` at the last."""
    rng = np.random.default_rng(0)
    for width in (8, 16):
        for seed in SEEDS:
            own = rng.normal()  # effect of the seed, equal for both methods
            for method, gain in (("none", 0.0), ("ours", effect)):
                for epoch in range(3):
                    yield {
                        "experiment": f"{method} {width}",
                        "method.kind": method,
                        "method.option": 0.5 if method == "ours" else None,
                        "model.width": width,
                        "seed": seed,
                        "epoch": epoch,
                        "y": width + own + gain * (epoch == 2) + noise * rng.normal(),
                        "diverged": (method, width, seed) in diverged,
                    }


@pytest.fixture
def setting(tmp_path):
    def make(**options):
        write_study("stripping", rows(**options), {"date": "today"}, tmp_path)
        return Setting(studies=tmp_path)

    return make


OURS, NONE = {"method.kind": "ours"}, {"method.kind": "none"}
CLAIM = {"study": "stripping", "y": "y", "left": OURS, "right": NONE, "by": ["model.width"]}


@pytest.mark.parametrize(
    ("effect", "relation", "verdict"),
    [
        (1.0, ">", "CONFIRMED"),
        (1.0, "<", "REFUTED"),
        (-1.0, ">", "REFUTED"),
        (0.0, ">", "INCONCLUSIVE"),
        (0.0, "<", "INCONCLUSIVE"),
    ],
)
def test_differences_by_their_sign(setting, effect, relation, verdict):
    found = training.difference(setting=setting(effect=effect), **CLAIM, relation=relation)
    assert found.verdict.value == verdict
    assert found.points == 2
    assert "today" in found.summary


ONE_SEED = {"study": "stripping", "y": "y", "left": OURS, "right": NONE, "relation": "<", "margin": 0.01}


@pytest.fixture
def two_networks(tmp_path):
    def make(ours, none):
        found = [
            {"experiment": kind, "method.kind": kind, "seed": 0, "epoch": 1, "y": value, "diverged": False}
            for kind, value in (("ours", ours), ("none", none))
        ]
        write_study("stripping", found, {"date": "today"}, tmp_path)
        return Setting(studies=tmp_path)

    return make


@pytest.mark.parametrize(
    ("ours", "none", "verdict"),
    [(0.975, 0.975, "CONFIRMED"), (0.985, 0.977, "INCONCLUSIVE"), (0.985, 0.96, "REFUTED")],
)
def test_two_single_networks_are_compared_over_their_images(two_networks, ours, none, verdict):
    here = two_networks(ours, none)
    found = training.difference(setting=here, **ONE_SEED, images=10000)
    assert found.verdict.value == verdict
    assert "n = 10000 test images of one network each" in found.summary
    # with few failures and many images, close to the normal interval
    width = 1.96 * np.sqrt((ours * (1 - ours) + none * (1 - none)) / 10000)
    (low,), (high,) = found.numbers["low"], found.numbers["high"]
    np.testing.assert_allclose([low, high], [ours - none - width, ours - none + width], atol=2e-4)
    assert training.difference(setting=here, **ONE_SEED).verdict is Verdict.INCONCLUSIVE  # over seeds there is one pair


@pytest.mark.parametrize(("ours", "verdict"), [(0.955, "CONFIRMED"), (0.952, "INCONCLUSIVE"), (0.94, "REFUTED")])
def test_a_single_network_is_compared_with_a_number_over_its_images(two_networks, ours, verdict):
    claimed = {"study": "stripping", "y": "y", "where": OURS, "relation": ">", "right": 0.95}
    found = training.level(setting=two_networks(ours, 0.5), **claimed, images=10000)
    assert found.verdict.value == verdict
    assert "n = 10000 test images of one network (" in found.summary
    hits = round(10000 * ours)
    low, high = stats.beta.ppf([0.025, 0.975], [hits, hits + 1], [10001 - hits, 10000 - hits])  # Clopper and Pearson
    np.testing.assert_allclose([*found.numbers["low"], *found.numbers["high"]], [low, high], rtol=1e-9)
    assert training.level(setting=two_networks(ours, 0.5), **claimed).verdict is Verdict.INCONCLUSIVE
    with pytest.raises(InvalidArgumentError, match="images"):
        training.level(setting=two_networks(ours, 0.5), **claimed, images=0)


def wilson(p, n, z=1.959963984540054):
    centre, half = p + z**2 / (2 * n), z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return (centre - half) / (1 + z**2 / n), (centre + half) / (1 + z**2 / n)


def test_limits_over_images_are_newcombes():
    a, b, n = 0.98, 0.6, 50  # far from symmetric
    (low_a, high_a), (low_b, high_b) = wilson(a, n), wilson(b, n)
    low = a - b - np.sqrt((a - low_a) ** 2 + (high_b - b) ** 2)
    high = a - b + np.sqrt((high_a - a) ** 2 + (b - low_b) ** 2)
    np.testing.assert_allclose(image_limits(a, b, n, 0.05), (a - b, low, high), rtol=1e-6)


def test_the_interval_over_images_covers():
    rng = np.random.default_rng(1)
    a, b, n = 0.99, 0.975, 200  # few failures, where a normal interval misses too often
    drawn = rng.binomial(n, [a, b], size=(600, 2)) / n
    limits = np.array([image_limits(*shares, n, 0.05)[1:] for shares in drawn])
    held = np.mean((limits[:, 0] <= a - b) & (a - b <= limits[:, 1]))
    assert 0.92 < held < 0.99


def test_the_paired_interval_is_that_of_the_differences(setting):
    here = setting()
    found = training.difference(setting=here, **CLAIM, relation=">")
    table = training.read_study("stripping", here.studies)
    for number, width in enumerate((8, 16)):
        sides = [
            [row["y"] for row in table.rows if (row["method.kind"], row["model.width"], row["epoch"]) == (m, width, 2)]
            for m in ("ours", "none")
        ]
        interval = stats.ttest_rel(*sides).confidence_interval(1 - 0.05 / 2)
        np.testing.assert_allclose(
            [found.numbers["low"][number], found.numbers["high"][number]], [interval.low, interval.high]
        )


def test_without_common_seeds_the_interval_is_welchs(setting, tmp_path):
    shifted = [{**row, "seed": row["seed"] + 100 * (row["method.kind"] == "ours")} for row in rows(effect=8.0)]
    write_study("stripping", shifted, {}, tmp_path)
    where = {"model.width": 8}
    found = training.difference(
        setting=Setting(studies=tmp_path),
        study="stripping",
        y="y",
        left={**OURS, **where},
        right={**NONE, **where},
        relation=">",
    )
    sides = [
        [row["y"] for row in training.read_study("stripping", tmp_path).rows if row["experiment"] == f"{m} 8"][2::3]
        for m in ("ours", "none")
    ]
    interval = stats.ttest_ind(*sides, equal_var=False).confidence_interval(0.95)
    np.testing.assert_allclose([found.numbers["low"][0], found.numbers["high"][0]], [interval.low, interval.high])
    assert found.verdict is Verdict.CONFIRMED


def test_margins_epochs_and_missing_settings(setting):
    here = setting()
    assert training.difference(setting=here, **CLAIM, relation=">", margin=2.0).verdict is Verdict.REFUTED
    by_option = {**CLAIM, "left": {"method.option": 0.5}, "right": {"method.option": ""}}
    assert training.difference(setting=here, **by_option, relation=">").verdict is Verdict.CONFIRMED
    early = {**CLAIM, "left": {**OURS, "at": 1}, "right": {**NONE, "at": 1}}
    assert training.difference(setting=here, **early, relation=">").verdict is Verdict.INCONCLUSIVE
    later = {**CLAIM, "right": {**OURS, "at": "first"}}
    assert training.difference(setting=here, **later, relation=">").verdict is Verdict.CONFIRMED


def test_diverged_runs_are_left_out_and_reported(setting):
    found = training.difference(setting=setting(diverged={("ours", 8, 3)}), **CLAIM, relation=">")
    assert found.numbers["n"] == [4, 5]
    assert "1 diverged run left out" in found.summary
    lost = setting(diverged={("ours", 8, seed) for seed in SEEDS})
    assert training.difference(setting=lost, **CLAIM, relation=">").verdict is Verdict.INCONCLUSIVE


def test_trends(setting):
    here = setting()
    claim = {"setting": here, "study": "stripping", "y": "y", "along": "model.width", "where": NONE}
    rising = training.trend(**claim, direction="rises")
    assert rising.verdict is Verdict.CONFIRMED
    assert rising.numbers["estimate"][0] == pytest.approx(8.0, abs=3.0)
    assert training.trend(**claim, direction="falls").verdict is Verdict.REFUTED
    assert training.trend(**claim, direction="rises", margin=20.0).verdict is Verdict.REFUTED
    gain = training.trend(**{**claim, "where": OURS, "minus": NONE}, direction="rises")
    assert gain.verdict is Verdict.INCONCLUSIVE  # the gain is the same at both widths
    course = {**claim, "along": "epoch", "where": {**OURS, "model.width": 8}, "minus": {**NONE, "model.width": 8}}
    assert training.trend(**course, direction="rises").verdict is Verdict.CONFIRMED
    assert training.trend(**course, direction="rises", values=[0, 1]).verdict is Verdict.INCONCLUSIVE
    both = training.trend(**{**course, "where": OURS, "minus": NONE}, direction="rises", pooled=True)
    assert both.verdict is Verdict.CONFIRMED
    with pytest.raises(ValueError, match="several runs per seed"):
        training.trend(**{**course, "where": OURS}, direction="rises")


def test_levels(setting):
    claim = {"setting": setting(), "study": "stripping", "y": "y", "where": NONE, "by": ["model.width"]}
    assert training.level(**claim, relation=">", right=5.0).verdict is Verdict.CONFIRMED
    assert training.level(**claim, relation=">", right=12.0).verdict is Verdict.REFUTED  # one of two is enough
    wide = {**claim, "where": {**NONE, "model.width": 8}, "by": []}
    assert training.near(**wide, number=8.0, tolerance=4.0).verdict is Verdict.CONFIRMED
    assert training.near(**wide, number=16.0, tolerance=4.0).verdict is Verdict.REFUTED
    assert training.near(**wide, number=8.0, tolerance=0.5).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("hits", "verdict"), [(100, "CONFIRMED"), (99, "CONFIRMED"), (91, "INCONCLUSIVE"), (50, "REFUTED")]
)
def test_shares_by_exact_limits(tmp_path, hits, verdict):
    table = [{"experiment": "he", "initialisation": "he", "seed": 0, "n": 100, "constant": hits}]
    write_study("absolute_value", table, {}, tmp_path)
    claim = {"study": "absolute_value", "count": "constant", "of": "n", "where": {"initialisation": "he"}}
    found = training.share(setting=Setting(studies=tmp_path), **claim, relation=">", right=0.9)
    assert found.verdict.value == verdict
    limits = stats.binomtest(hits, 100).proportion_ci(0.95)
    np.testing.assert_allclose([found.numbers["low"][0], found.numbers["high"][0]], [limits.low, limits.high])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"left": {"method.kind": "theirs"}}, "no run of width 8, kind theirs"),
        ({"y": "z"}, "no column z"),
        ({"by": ["model.height"]}, "no column model.height"),
        ({"left": {"model.width": 8}}, "several runs per seed"),
        ({"left": {**OURS, "at": 7}}, "no run"),
    ],
)
def test_claims_that_name_nothing_are_errors(setting, changes, words):
    with pytest.raises(ValueError, match=words):
        training.difference(setting=setting(), **{**CLAIM, **changes}, relation=">")


def test_every_claim_on_training_has_the_verdict_expected_of_it():
    assert len(TRAINING) >= 10
    report = check(claims=TRAINING)
    assert report.passed, str(report)
    report = check(claims=TRAINING, self_test=True)
    assert report.passed, str(report)
    turned = {claim.id for claim in TRAINING if claim.expected is Verdict.CONFIRMED}
    assert turned


@pytest.fixture
def zeros_of_layers(tmp_path):
    found = [
        {"experiment": "a", "seed": seed, "epoch": epoch, "y": 0.0, "test_zeros": shares if epoch else None}
        for seed, shares in enumerate(["0.85 0.86 0.9 0.85", "0.85 0.85 0.85 0.84"])
        for epoch in (0, 1)
    ]
    write_study("stripping", found, {"date": "today"}, tmp_path)
    return Setting(studies=tmp_path)


@pytest.mark.parametrize(
    ("tolerance", "layers", "verdict"),
    [(0.06, 1.0, "CONFIRMED"), (0.02, 1.0, "REFUTED"), (0.02, 0.75, "CONFIRMED"), (0.006, 0.75, "REFUTED")],
)
def test_zeros_are_compared_layer_by_layer(zeros_of_layers, tolerance, layers, verdict):
    claim = {"study": "stripping", "where": {}, "number": 0.85, "tolerance": tolerance, "layers": layers}
    found = layers_near(setting=zeros_of_layers, **claim)
    assert found.verdict.value == verdict
    assert found.points == 8
    assert "8 layers of 2 networks" in found.summary
