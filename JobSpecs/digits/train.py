"""Trains a one-layer network on generated 8x8 digits, in plain Python.

Logs an epoch a line, writes metrics as JSON lines to MARTLET_METRICS and the model to MARTLET_RESULTS.
"""
import argparse
import json
import math
import os
import random

GLYPHS = {
    0: "..####...#....#..#....#..#....#..#....#..#....#..#....#...####..",
    1: "....#......##.....#.#.......#.......#.......#.......#.....#####.",
    2: "..####...#....#.......#......#......#......#......#......######.",
    3: "..####...#....#.......#....###........#.......#..#....#...####..",
    4: ".....#......##.....#.#....#..#...#...#...######......#.......#..",
    5: ".######..#.......#.......#####........#.......#..#....#...####..",
    6: "...###....#......#.......#####...#....#..#....#..#....#...####..",
    7: ".######.......#......#......#......#......#......#......#.......",
    8: "..####...#....#..#....#...####...#....#..#....#..#....#...####..",
    9: "..####...#....#..#....#..#....#...#####.......#......#....###...",
}


def sample(rng, noise):
    """A digit, moved by up to one pixel, with noise: (64 pixels, its label)."""
    label = rng.randrange(10)
    right, down = rng.choice((-1, 0, 0, 1)), rng.choice((-1, 0, 0, 1))
    pixels = []
    for y in range(8):
        for x in range(8):
            inside = 0 <= y - down < 8 and 0 <= x - right < 8
            ink = inside and GLYPHS[label][(y - down) * 8 + x - right] == "#"
            pixels.append((1.0 if ink else 0.0) + rng.gauss(0, noise))
    return pixels, label


def forward(model, pixels):
    hidden = [math.tanh(b + sum(map(float.__mul__, w, pixels))) for w, b in zip(model["w1"], model["b1"])]
    scores = [b + sum(map(float.__mul__, w, hidden)) for w, b in zip(model["w2"], model["b2"])]
    top = max(scores)
    powers = [math.exp(score - top) for score in scores]
    total = sum(powers)
    return hidden, [power / total for power in powers]


def learn(model, pixels, label, rate, decay):
    """One step of stochastic gradient descent on the cross entropy; returns the loss before it."""
    hidden, chances = forward(model, pixels)
    slopes = [chance - (digit == label) for digit, chance in enumerate(chances)]
    back = [sum(slopes[d] * model["w2"][d][h] for d in range(10)) * (1 - hidden[h] ** 2) for h in range(len(hidden))]
    keep = 1 - rate * decay
    for d, slope in enumerate(slopes):
        model["w2"][d] = [w * keep - rate * slope * h for w, h in zip(model["w2"][d], hidden)]
        model["b2"][d] -= rate * slope
    for h, slope in enumerate(back):
        step = rate * slope
        model["w1"][h] = [w * keep - step * p for w, p in zip(model["w1"][h], pixels)]
        model["b1"][h] -= step
    return -math.log(max(chances[label], 1e-12))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--width", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--lr", type=float, required=True)
    parser.add_argument("--decay", type=float, default=0.0)
    parser.add_argument("--epochs", type=int, default=12)
    options = parser.parse_args()

    rng = random.Random(options.seed)
    train = [sample(rng, 0.35) for _ in range(800)]
    check = [sample(rng, 0.35) for _ in range(300)]
    model = {
        "w1": [[rng.gauss(0, 0.2) for _ in range(64)] for _ in range(options.width)],
        "b1": [0.0] * options.width,
        "w2": [[rng.gauss(0, 0.2) for _ in range(options.width)] for _ in range(10)],
        "b2": [0.0] * 10,
    }
    with open(os.environ.get("MARTLET_METRICS", "metrics.jsonl"), "a") as metrics:
        for epoch in range(1, options.epochs + 1):
            rng.shuffle(train)
            rate = options.lr / math.sqrt(epoch)
            loss = sum(learn(model, pixels, label, rate, options.decay) for pixels, label in train) / len(train)
            right = 0
            for pixels, label in check:
                chances = forward(model, pixels)[1]
                right += chances.index(max(chances)) == label
            accuracy = right / len(check)
            print(f"epoch {epoch}: loss {loss:.4f}  accuracy {accuracy:.3f}", flush=True)
            print(json.dumps({"epoch": epoch, "loss": round(loss, 5), "accuracy": round(accuracy, 4)}), file=metrics, flush=True)
    with open(os.path.join(os.environ.get("MARTLET_RESULTS", "."), "model.json"), "w") as file:
        json.dump(model, file)


main()
