"""Controls of a plugin, as tests allow it: they write down what they were called for."""

CALLS = []


def _note(name, context, **about):
    CALLS.append((name, context.get("name", context.get("title")), about))


def before_experiment_control(context, **about):
    _note("before experiment", context, **about)


def after_experiment_control(context, state, **about):
    assert len(state["run"]) == 2
    _note("after experiment", context, **about)


def before_hypothesis_control(context, **about):
    _note("before hypothesis", context, **about)


def after_hypothesis_control(context, state, **about):
    assert state.steady_state_met
    _note("after hypothesis", context, **about)


def before_method_control(context, **about):
    _note("before method", context, **about)


def after_method_control(context, state, **about):
    assert [one.status for one in state] == ["succeeded", "succeeded"]
    _note("after method", context, **about)


def before_rollback_control(context, **about):
    _note("before rollback", context, **about)


def after_activity_control(context, state, **about):
    if context["type"] == "action":
        assert state.status == "succeeded"
        _note("after action", context, **about)
