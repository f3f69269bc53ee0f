"""Documents of experiments on the workload ``counting``, to be changed by tests."""

ACTIONS, PROBES = "alchemiser_cli.chaos.actions", "alchemiser_cli.chaos.probes"


def step(func, module=ACTIONS, **arguments):
    provider = {"type": "python", "module": module, "func": func, "arguments": arguments}
    return {"type": "action", "name": f"{func} it", "provider": provider}


def probe(func, tolerance=True, **arguments):
    return step(func, PROBES, **arguments) | {"type": "probe", "tolerance": tolerance}


def outage(duration=0.6, **more):
    return step(
        "inject", target="registry.get", error="registry-unreachable", duration=duration, **more
    )


def document(*method, laboratory=None, expect=(), safeguards=(), rollbacks=None, probes=None):
    """An experiment: an outage of the registry under the workload ``counting``."""
    ours = {
        "name": "alchemiser",
        "laboratory": {"workload": "counting", "arguments": laboratory or {}},
        "expect": list(expect),
        "safeguards": list(safeguards),
    }
    return {
        "version": "1.0.0",
        "title": "The registry is away",
        "description": "Questions to the registry fail for a while.",
        "tags": ["streaming"],
        "steady-state-hypothesis": {
            "title": "questions are answered",
            "probes": [probe("work_is_steady")] if probes is None else probes,
        },
        "method": list(method) or [outage(), step("wait_until_over")],
        "rollbacks": [step("stop_faults")] if rollbacks is None else rollbacks,
        "extensions": [ours],
    }


EXPECTED = {
    "target": "registry.get",
    "detected": {"codes": ["registry-unreachable"], "within_s": 2},
    "defences": ["dead letters"],
    "steady_within_s": 5,
    "lost": 0,
    "twice": 0,
    "availability": 0.0,
    "guards": {"lost": "dead letters", "availability": "cache"},
}
