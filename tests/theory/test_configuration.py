"""Keys of configuration files: one definition validates and documents."""

import tomllib
from dataclasses import dataclass

import pytest

from neurondeath_theory.foundation.configuration import (
    check_fields,
    choice_field,
    count_field,
    flag_field,
    key_columns,
    keys_of,
    real_field,
    text_field,
    toml_template,
    toml_value,
)
from neurondeath_theory.foundation.errors import InvalidArgumentError


@dataclass(kw_only=True)
class Settings:
    steps: int = count_field("Steps of a run.")
    rate: float = real_field("Learning rate.", 0.1, low=0.0, low_open=True)
    share: float | None = real_field("A share.", None, low=0.0, high=1.0, high_open=True)
    kind: str = choice_field("Which.", ("one", "two"), "two")
    loud: bool = flag_field("Whether.", False)
    label: str = text_field("A label.", 'with "quotes"')

    def __post_init__(self):
        check_fields(self, "settings.")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"steps": 0}, "`settings.steps` must be a whole number of at least 1; got 0"),
        ({"steps": None}, "`settings.steps`"),
        ({"steps": 1, "rate": 0.0}, "`settings.rate` must be a finite number above 0"),
        ({"steps": 1, "rate": None}, "`settings.rate`"),
        ({"steps": 1, "share": 1.0}, r"`settings.share` must lie in \[0, 1\)"),
        ({"steps": 1, "kind": "three"}, "`settings.kind` must be one of one, two"),
        ({"steps": 1, "loud": 1}, "`settings.loud` must be True or False"),
        ({"steps": 1, "label": 3}, "`settings.label` must be a text"),
    ],
)
def test_values_are_checked(wrong, words):
    with pytest.raises(InvalidArgumentError, match=words):
        Settings(**wrong)


def test_defaults_hold_and_none_stands_for_no_value():
    settings = Settings(steps=3)
    assert (settings.rate, settings.share, settings.kind) == (0.1, None, "two")


def test_every_key_is_documented():
    columns = key_columns(keys_of(Settings))
    assert columns["key"] == ["steps", "rate", "share", "kind", "loud", "label"]
    assert columns["values"][:4] == ["whole number, at least 1", "number above 0", "number in [0, 1)", "one | two"]
    assert columns["default"] == ["required", "0.1", "-", '"two"', "false", '"with \\"quotes\\""']


def test_a_template_is_toml_and_its_comments_are_defaults():
    keys = keys_of(Settings)
    text = toml_template([("", "A file.", keys), ("[part]", "A part.", keys), ("#", "Only sometimes:", keys)])
    assert tomllib.loads(text) == {"steps": 10, "part": {"steps": 10}}
    given = "\n".join(line.removeprefix("# ") for line in text.split("[part]")[0].splitlines() if " = " in line)
    values = tomllib.loads(given)
    assert Settings(**values) == Settings(**{**values, "share": 0.5})
    assert {name: value for name, value in values.items() if name not in ("steps", "share")} == {
        name: key.default for name, key in keys.items() if name not in ("steps", "share")
    }
    assert max(map(len, text.splitlines())) <= 120


@pytest.mark.parametrize("value", ["a", 'b"\\', True, 3, 0.25, [1, [2.5, "x"]], {"k": 1, "l": ["m"]}])
def test_values_read_back(value):
    assert tomllib.loads(f"x = {toml_value(value)}") == {"x": value}
