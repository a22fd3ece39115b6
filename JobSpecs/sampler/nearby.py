#!/usr/bin/env python3
"""A sampler of a few lines: every other point lies near the best one so far. Shows the protocol of `method: external`."""
import json
import math
import random
import sys


def drawn(dimension, random, near=None):
    kind = dimension["type"]
    if kind == "choice":
        return near if near is not None and random.random() < 0.7 else random.choice(dimension["choices"])
    low, high = dimension["low"], dimension["high"]
    if kind == "loguniform":
        low, high, near = math.log(low), math.log(high), near and math.log(near)
    value = random.uniform(low, high) if near is None else min(high, max(low, random.gauss(near, (high - low) / 10)))
    if kind == "loguniform":
        return math.exp(value)
    return round(value) if kind == "int" else value


points, best = {}, None
for line in sys.stdin:
    word = json.loads(line)
    if "hello" in word:
        space, goal = word["space"], word["metrics"][0]
    elif "ask" in word:
        chance = random.Random(word["seed"])
        near = best and word["ask"] % 2 and points[best[1]]
        params = {d["name"]: drawn(d, chance, near[d["name"]] if near else None) for d in space}
        points[word["ask"]] = params
        print(json.dumps({"point": word["ask"], "params": params}), flush=True)
    elif "tell" in word:
        if goal["name"] in word["metrics"]:
            cost = word["metrics"][goal["name"]] * (1 if goal["goal"] == "min" else -1)
            best = min(best or (cost, word["tell"]), (cost, word["tell"]))
    else:
        points[word["point"]] = word["params"]
