"""Trains scikit-learn's logistic regression on the matrices of a scoring, and compares what it reaches.

In: the folder that `churn-score --matrices` wrote. Out: a line for each seed, and exit 1 where the areas under the curve differ by more than
0.005 anywhere. The penalty is the same: C is one over it.
"""

from __future__ import annotations

import pathlib
import sys

import numpy
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

PENALTY = 100.0
DIFFERENCE_MOST = 0.005


def table(path: pathlib.Path, width: int) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Features and labels of a cohort."""
    rows = numpy.fromfile(path, dtype="<f8").reshape(-1, width)
    return rows[:, :-1], rows[:, -1]


def main() -> int:
    folder = pathlib.Path(sys.argv[1])
    width = int((folder / "width").read_text())
    worst = 0.0
    for train in sorted(folder.glob("*.train")):
        features, leaves = table(train, width)
        asked, left = table(train.with_suffix(".test"), width)
        told = numpy.fromfile(train.with_suffix(".told"), dtype="<f8")
        model = make_pipeline(StandardScaler(), LogisticRegression(C=1 / PENALTY, max_iter=5_000))
        model.fit(features, leaves)
        theirs = roc_auc_score(left, model.decision_function(asked))
        ours = roc_auc_score(left, told)
        worst = max(worst, abs(ours - theirs))
        print(f"seed {train.stem}: ours {ours:.5f}, scikit-learn {theirs:.5f}")
    verdict = "met" if worst <= DIFFERENCE_MOST else "missed"
    print(f"largest difference {worst:.5f} (at most {DIFFERENCE_MOST}): {verdict}")
    return 0 if verdict == "met" and worst == worst else 1


if __name__ == "__main__":
    sys.exit(main())
