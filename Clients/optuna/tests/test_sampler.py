import json
import math

import pytest

pytest.importorskip("optuna", reason="needs optuna: pip install ./Clients/optuna")
from martlet_optuna import serve  # noqa: E402

HELLO = {"hello": 1, "seed": 7, "count": 40, "metrics": [{"name": "loss", "goal": "min"}],
         "space": [{"name": "lr", "type": "loguniform", "low": 1e-5, "high": 1.0},
                   {"name": "width", "type": "int", "low": 1, "high": 9},
                   {"name": "kind", "type": "choice", "choices": ["a", "b"], "weights": []}]}


def answers(words):
    written = []
    serve([json.dumps(word) for word in words], written.append)
    return [json.loads(line) for line in written]


def loss(params):
    return (math.log10(params["lr"]) + 2) ** 2 + (params["kind"] == "b")


def told(count):
    """Points one after the other, each told before the next: the words, and the points."""
    words, points = [HELLO], []
    for index in range(count):
        ask = {"ask": index, "seed": 100 + index}
        point = answers(words + [ask])[-1]
        assert point["point"] == index
        points.append(point["params"])
        words += [{"point": index, "params": point["params"]},
                  {"tell": index, "state": "succeeded", "metrics": {"loss": loss(point["params"])}}]
    return words, points


def test_a_new_process_goes_on_as_the_former_one_would_have():
    _, points = told(14)
    words = [HELLO]
    for index in range(14):
        words += [{"ask": index, "seed": 100 + index},
                  {"tell": index, "state": "succeeded", "metrics": {"loss": loss(points[index])}}]
    assert [answer["params"] for answer in answers(words)] == points


def test_points_lie_in_the_space_and_get_better():
    _, points = told(30)
    for point in points:
        assert 1e-5 <= point["lr"] <= 1 and 1 <= point["width"] <= 9 and point["kind"] in "ab"
    losses = [loss(point) for point in points]
    assert min(losses[10:]) <= min(losses[:10])
    assert sum(losses[20:]) < sum(losses[:10])


def test_failed_and_stopped_tasks_are_taken():
    words, _ = told(2)
    words += [{"ask": 2, "seed": 1}, {"ask": 3, "seed": 2}, {"tell": 2, "state": "failed", "metrics": {}},
              {"tell": 3, "state": "stopped", "metrics": {"loss": 3}}, {"ask": 4, "seed": 3}]
    assert [answer["point"] for answer in answers(words)] == [2, 3, 4]
