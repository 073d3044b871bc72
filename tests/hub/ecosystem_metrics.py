"""Load a metric from a Space and use it. Run by test_ecosystem.py."""

import json

import evaluate

share = evaluate.load("share")  # evaluate looks for evaluate-metric/share
share.add(prediction=1, reference=1)
assert share.compute() == {"share": 1.0}
print(json.dumps(share.compute(predictions=[1, 0, 1, 1], references=[1, 0, 0, 1])))
