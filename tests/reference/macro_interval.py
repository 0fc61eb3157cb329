"""Measures how often 95 % intervals of macro accuracy contain the true value, and prints a table in Markdown.

    python macro_interval.py [SIMULATIONS]

For each shape of class sizes and each accuracy, every class gets a true accuracy (from a beta distribution), and the
images of each simulation are drawn from it. The truth is the mean of the classes' true accuracies. Three methods are
compared, each at 95 %:

- `plain`: quantiles of the bootstrap stratified by class, as versions up to 0.1.0 printed them;
- `rescaled`: the same with deviations of classes of n >= 2 images times sqrt(n / (n - 1)), and with the classes of a
  single image collapsed into one stratum;
- `report`: Wilson's interval for the number of images that has the variance of `rescaled`, with half an image added on
  either side of the stratum of single images, and never less than the variance that all classes have together; what the
  report prints.

The first two are here for comparison: they draw 400 resamples in each of the first tenth of the simulations. Needs numpy.
"""

import sys

import numpy as np

Z = 1.959963984540054
RESAMPLES = 400

SHAPES = {
    "equal: 100 classes of 10": np.full(100, 10),
    "long tail: 200 classes of 200 / rank": np.maximum(1, 200 // np.arange(1, 201)),
    "singles: 90 of 1, 10 of 10": np.concatenate([np.ones(90, int), np.full(10, 10)]),
    "few: 50 classes of 5": np.full(50, 5),
    "pairs: 100 classes of 2": np.full(100, 2),
    "uneven: 10 of 2, 90 of 100": np.concatenate([np.full(10, 2), np.full(90, 100)]),
}


def plain(hits, of, noise):
    means = (noise.binomial(of, hits / of, (RESAMPLES, len(of))) / of).mean(axis=1)
    return np.quantile(means, [0.025, 0.975])


def rescaled(hits, of, noise):
    recall, many, single = hits / of, of > 1, of == 1
    draws = noise.binomial(of[many], recall[many], (RESAMPLES, many.sum())) / of[many] - recall[many]
    deviations = (draws * np.sqrt(of[many] / (of[many] - 1))).sum(axis=1)
    m, right = single.sum(), hits[single].sum()
    if m > 1:
        deviations += (noise.binomial(m, right / m, RESAMPLES) - right) * np.sqrt(m / (m - 1))
    low, high = np.quantile(deviations, [0.025, 0.975]) / len(of)
    return recall.mean() + low, recall.mean() + high


def report(hits, of):
    recall, many, single = hits / of, of > 1, of == 1
    mean, classes = recall.mean(), len(of)
    within = recall[many] * (1 - recall[many]) * of[many] / (of[many] - 1)
    together = (within * of[many]).sum() / max(1, of[many].sum())
    variance = max((within / of[many]).sum(), together * (1 / of[many]).sum())
    m, right = single.sum(), hits[single].sum()
    if m > 0:
        share = (right + 0.5) / (m + 1)
        variance += m * share * (1 - share) * (m / (m - 1) if m > 1 else 1)
    variance /= classes**2
    # all right, all wrong, or without variance: as many images as would estimate one accuracy of all classes as well
    varies = variance > 0 and 0 < mean < 1
    images = mean * (1 - mean) / variance if varies else classes**2 / (1 / of).sum()
    centre = mean + Z**2 / (2 * images)
    half = Z * np.sqrt(mean * (1 - mean) / images + Z**2 / (4 * images**2))
    scale = 1 / (1 + Z**2 / images)
    return scale * (centre - half), scale * (centre + half)


def main():
    simulations = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    print(f"{simulations} simulations, numpy {np.__version__}\n")
    print("| class sizes | of them single | accuracy | plain | rescaled | report | width of report |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for name, of in SHAPES.items():
        for accuracy in (0.7, 0.9, 0.97):
            noise = np.random.default_rng(7)
            truth = noise.beta(8 * accuracy, 8 * (1 - accuracy), len(of))
            held, asked, width = np.zeros(3), np.array([1, 1, simulations]), 0.0
            asked[:2] = max(1, simulations // 10)
            for simulation in range(simulations):
                hits = noise.binomial(of, truth)
                ends = [report(hits, of)]
                if simulation < asked[0]:
                    ends = [plain(hits, of, noise), rescaled(hits, of, noise), *ends]
                covers = [low <= truth.mean() + 1e-12 and truth.mean() - 1e-12 <= high for low, high in ends]
                held[-len(covers) :] += covers
                width += ends[-1][1] - ends[-1][0]
            plain_, rescaled_, ours = (f"{100 * share:.1f} %" for share in held / asked)
            single, points = (of == 1).sum(), 100 * width / simulations
            print(f"| {name} | {single} | {accuracy:.2f} | {plain_} | {rescaled_} | {ours} | {points:.1f} points |", flush=True)


if __name__ == "__main__":
    main()
