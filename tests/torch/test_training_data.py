"""Labelled data: sizes, scale, and disjoint splits."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_torch.training.configuration import DataChoice, Experiment
from neurondeath_torch.training.labelled_data import load_labelled_data
from neurondeath_torch.training.loop import load_experiment_data
from tests.simulations.test_image_files import PICTURES, records


def test_digits_are_split_without_overlap():
    data = load_labelled_data("digits", validation=0.25, seed=3)
    parts = [data.train, data.validation, data.test]
    assert sum(map(len, parts)) == 1797
    assert [len(part) for part in parts] == [1078, 359, 360]
    raw = load_digits()
    scale = data.train.images.new_tensor(raw.data).reshape(-1, 1, 8, 8)
    # undo the scale: every image of every part is one of the raw ones with its class, and none occurs twice
    two = data.train.images[0].flatten()
    mean, spread = affine(two, data)
    seen = {}
    for part in parts:
        for image, label in zip(part.images, part.classes, strict=True):
            seen.setdefault((image.flatten() * spread + mean).round().numpy().tobytes(), []).append(int(label))
    expected = {}
    for image, label in zip(scale, raw.target, strict=True):
        expected.setdefault(image.flatten().numpy().tobytes(), []).append(int(label))
    assert {key: sorted(labels) for key, labels in seen.items()} == {k: sorted(v) for k, v in expected.items()}
    assert data.train.images.mean().item() == pytest.approx(0.0, abs=1e-5)
    assert data.train.images.std().item() == pytest.approx(1.0, abs=1e-3)


def affine(image, data):
    """Compute mean and spread of the raw pixels, whose extremes are 0 and 16."""
    low, high = data.train.images.min(), data.train.images.max()
    spread = 16.0 / (high - low)
    return (-low * spread), spread


def test_the_same_seed_gives_the_same_choice():
    first = load_labelled_data("digits", n_train=50, n_test=20, seed=1)
    assert torch.equal(first.train.images, load_labelled_data("digits", n_train=50, n_test=20, seed=1).train.images)
    assert not torch.equal(first.train.classes, load_labelled_data("digits", n_train=50, seed=2).train.classes)
    assert (len(first.train), len(first.validation), len(first.test)) == (50, 0, 20)
    whole = load_labelled_data("digits", seed=1)
    assert len(set(whole.test.classes.tolist())) == 10
    other = load_labelled_data("digits", seed=2)
    # the test set is the same for all seeds
    assert np.sort(whole.test.classes).tolist() == np.sort(other.test.classes).tolist()


def test_pictures_keep_their_planes(tmp_path):
    for name in ("data_batch_1.bin", "test_batch.bin"):
        (tmp_path / name).write_bytes(records(PICTURES, label=3))
    data = load_labelled_data("cifar10", data_dir=tmp_path)
    assert data.shape == (3, 32, 32)
    planes = PICTURES.reshape(-1, 3, 1024).astype(float)
    expected = (planes - planes.mean((0, 2))[:, None]) / planes.std((0, 2))[:, None]
    np.testing.assert_allclose(data.test.images.reshape(-1, 3, 1024), expected, atol=1e-4)
    assert data.test.classes.tolist() == [3] * 5


def test_the_mean_image_is_subtracted():
    data = load_labelled_data("digits", validation=0.25, centre=True)
    plain = load_labelled_data("digits", validation=0.25)
    rest = plain.train.images.double()
    mean = rest.mean(0)
    spread = (rest - mean).square().mean().sqrt()
    assert mean.abs().max() > 0.5
    for part in ("train", "validation", "test"):
        expected = (getattr(plain, part).images.double() - mean) / spread
        np.testing.assert_allclose(getattr(data, part).images, expected, atol=1e-5)
        assert torch.equal(getattr(data, part).classes, getattr(plain, part).classes)


def test_experiments_on_centred_images():
    experiment = Experiment(epochs=1, data=DataChoice(centre=True))
    assert load_experiment_data(experiment).train.images.mean(0).abs().max() < 1e-5
    assert load_experiment_data(Experiment(epochs=1)).train.images.mean(0).abs().max() > 0.5
    assert experiment.experiment_id != Experiment(epochs=1).experiment_id


def test_pictures_are_centred_by_plane(tmp_path):
    for name in ("data_batch_1.bin", "test_batch.bin"):
        (tmp_path / name).write_bytes(records(PICTURES, label=3))
    data = load_labelled_data("cifar10", data_dir=tmp_path, centre=True)
    planes = PICTURES.reshape(-1, 3, 32, 32).astype(float)
    rest = planes - planes.mean(0)
    np.testing.assert_allclose(data.test.images, rest / rest.std((0, 2, 3))[:, None, None], atol=1e-4)


def test_bad_arguments(tmp_path):
    for arguments, match in [
        ({"n_train": 10**6}, "at most 1437"),
        ({"n_train": 0}, "n_train"),
        ({"validation": 1.0}, "validation"),
        ({"centre": "yes"}, "`centre` must be True or False"),
        ({"n_train": 2, "validation": 0.99}, "leave an image"),
    ]:
        with pytest.raises(InvalidArgumentError, match=match):
            load_labelled_data("digits", **arguments)
    with pytest.raises(InvalidArgumentError, match="`centre` must be left out for bits"):
        load_labelled_data("bits", centre=True)
    with pytest.raises(InvalidArgumentError, match="digits, mnist, cifar10"):
        load_labelled_data("imagenet")
    with pytest.raises(InvalidArgumentError, match="data_dir"):
        load_labelled_data("mnist", data_dir=tmp_path)
