"""With untrained weights each lesson's headline assertion fails. (A file of its own, so that two workers share the work.)"""

import pytest
from sabotage.headline_falls import breakable, check
from sabotage.table import TABLE


@pytest.mark.parametrize("id", breakable())
def test_untrained_weights_are_noticed(id, stand_in_cache, tmp_path):
    check(id, TABLE[id].weights, tmp_path)
