"""Help texts and completion ask for the datasets' names, so importing them costs nothing."""

import subprocess
import sys

import pytest

import alchemiser_cli.market
from alchemiser_cli.market import Dataset, list_datasets

HEAVY = ("numpy", "polars", "pandas", "exchange_calendars", "arch", "scipy", "statsmodels")


def modules_after(code):
    script = f"import sys\n{code}\nprint(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def test_listing_the_datasets_imports_no_heavy_module():
    code = "from alchemiser_cli.market import list_datasets, open_dataset\nlist_datasets()"
    assert not modules_after(code).intersection(HEAVY)


def test_opening_sp500_does_not_import_arch_and_what_it_brings_along():
    code = "from alchemiser_cli.market import open_dataset\nopen_dataset('sp500')"
    assert not modules_after(code).intersection({"arch", "scipy", "statsmodels", "pandas"})


def test_every_public_name_can_be_imported():
    for name in alchemiser_cli.market.__all__:
        assert getattr(alchemiser_cli.market, name) is not None


def test_a_name_that_is_not_public_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'bars'"):
        _ = alchemiser_cli.market.bars


def test_every_listed_dataset_says_what_it_is():
    entries = list_datasets()
    assert [entry.name for entry in entries] == ["sp500", "file:PATH"]
    assert all(entry.description.endswith(".") for entry in entries)
    assert Dataset.__doc__
