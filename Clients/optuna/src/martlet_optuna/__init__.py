"""Optuna's samplers behind Martlet's ask-and-tell lines."""
import json

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

SAMPLERS = {
    "tpe": lambda seed: optuna.samplers.TPESampler(seed=seed, constant_liar=True),
    "random": lambda seed: optuna.samplers.RandomSampler(seed=seed),
    "cmaes": lambda seed: optuna.samplers.CmaEsSampler(seed=seed),
    "qmc": lambda seed: optuna.samplers.QMCSampler(seed=seed),
}


def distribution(dimension):
    """Optuna's of one dimension of the space."""
    kind = dimension["type"]
    if kind == "uniform":
        return FloatDistribution(dimension["low"], dimension["high"])
    if kind == "loguniform":
        return FloatDistribution(dimension["low"], dimension["high"], log=True)
    if kind == "int":
        return IntDistribution(dimension["low"], dimension["high"])
    if kind == "choice" and not dimension["weights"]:
        return CategoricalDistribution(dimension["choices"])
    raise ValueError(f"{dimension['name']}: Optuna knows no {kind} of this kind")


class Sampler:
    """Answers one line after the other. Keeps nothing but what it was told."""

    def __init__(self, hello, name="tpe"):
        self.make = SAMPLERS[name]
        self.space = {dimension["name"]: distribution(dimension) for dimension in hello["space"]}
        self.metric = hello["metrics"][0]["name"]
        direction = {"min": "minimize", "max": "maximize"}[hello["metrics"][0]["goal"]]
        self.study = optuna.create_study(direction=direction, sampler=self.make(hello["seed"]))
        self.trials = {}
        self.params = {}

    def know(self, index, params):
        """A point that an earlier process gave: a trial that runs."""
        trial = create_trial(state=TrialState.RUNNING, params=self._inside(params), distributions=self.space)
        self.trials[index] = self.study._storage.create_new_trial(self.study._study_id, template_trial=trial)
        self.params[index] = params

    def _inside(self, params):
        return {name: float(value) if isinstance(self.space[name], FloatDistribution) else value
                for name, value in params.items()}

    def ask(self, index, seed):
        self.study.sampler = self.make(seed)
        trial = self.study.ask(self.space)
        self.trials[index] = trial._trial_id
        self.params[index] = dict(trial.params)
        return {"point": index, "params": self.params[index]}

    def tell(self, index, state, metrics):
        number = self.study._storage.get_trial(self.trials[index]).number
        value = metrics.get(self.metric)
        if state == "stopped" and value is not None:
            self.study._storage.set_trial_intermediate_value(self.trials[index], 0, value)
            self.study.tell(number, state=TrialState.PRUNED)
        elif state == "succeeded" and value is not None:
            self.study.tell(number, value)
        else:
            self.study.tell(number, state=TrialState.FAIL)


def serve(lines, write, name="tpe"):
    """Reads words until there are no more; `write` gets each answer as a line."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = None
    for line in lines:
        word = json.loads(line)
        if "hello" in word:
            if word["hello"] != 1:
                raise SystemExit(f"martlet_optuna knows version 1 of the protocol, not {word['hello']}")
            sampler = Sampler(word, name)
        elif "ask" in word:
            write(json.dumps(sampler.ask(word["ask"], word["seed"])) + "\n")
        elif "tell" in word:
            sampler.tell(word["tell"], word["state"], word["metrics"])
        else:
            sampler.know(word["point"], word["params"])
