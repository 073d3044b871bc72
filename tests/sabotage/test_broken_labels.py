"""With shuffled or exchanged labels each lesson's headline assertion fails. (A file of its own, as for the weights.)"""

import pytest
from sabotage.headline_falls import breakable, check
from sabotage.table import TABLE


@pytest.mark.parametrize("id", breakable())
def test_broken_labels_are_noticed(id, stand_in_cache, tmp_path):
    check(id, TABLE[id].labels, tmp_path)
