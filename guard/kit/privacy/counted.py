"""Sentences on what is counted of values over time: by monitoring (docs/monitoring.md) and by labels (docs/labels.md)."""

from collections.abc import Iterator

from guard.kit.description import ContractDescription, PolicyDescription
from guard.kit.privacy.values import Note
from guard.policy import disclosure
from guard.policy.compiling.watch import watched_inputs
from guard.policy.labels import LabelsInvalid, layout_of
from guard.policy.models import Policy


def counted(route: ContractDescription, policy: Policy) -> Iterator[Note]:
    """Notes on one route."""
    yield from _monitoring(route, policy)
    yield from _labels(route, policy)


def _monitoring(route: ContractDescription, policy: Policy) -> Iterator[Note]:
    """guard.monitoring: cells."""
    declared = policy.monitor
    fields, outputs = route.contract.inputs if route.body == "fields" else {}, route.contract.outputs
    if isinstance(declared, str) or not (fields or outputs):
        return
    specs = watched_inputs(fields, declared)
    reported = [item.name for item in disclosure.measures(outputs) if declared.fields.get(item.name) != 0.0]
    shown = [spec.name for spec in specs if not spec.private] + reported
    private = [spec.name for spec in specs if spec.private]
    if shown:
        yield Note(
            "Monitoring counts how many values fall into each cell: a class of the contract, a range between quantiles, "
            "missing, invalid; of texts and objects, whether they are there. Counts and quantiles are shown and exported; "
            "the single value is not kept. Counted",
            tuple(shown),
        )
    if private:
        yield Note(
            "Of fields above `internal` monitoring counts the same. Their quantiles are rounded to two digits and kept in "
            "the state folder and in reference files only; neither they nor the shares of cells are shown or exported, but "
            "the evidence of a change. Counted",
            tuple(private),
        )
    left = [*fields, *outputs]
    for name in (*shown, *private):
        if name in left:
            left.remove(name)
    if left:
        yield Note("Monitoring does not count (`off`, or an output above `internal`)", tuple(left))


def _labels(route: ContractDescription, policy: Policy) -> Iterator[Note]:
    """guard.labels: receipts."""
    labels = policy.labels
    try:
        layout = layout_of(route.key, route.contract, labels) if labels is not None else None
    except LabelsInvalid:
        return
    if layout is not None:
        held = (layout.output, *([layout.score] if layout.score else []), *(name for name, _ in layout.segments))
        yield Note(
            "`labels`: the model's answers carry a signed receipt with predicted class, score (one of 256 levels) and "
            "segment. It goes to the client, who may send it back with the true outcome; guard keeps counts by version, "
            "class and score, and which receipts were used, but no receipt and no label beside its request. It holds",
            held,
        )


def kept_counts(described: PolicyDescription) -> Iterator[str]:
    """The counts in the state folder, as parts of a sentence."""
    if not isinstance(described.policy.monitor, str) and described.contracts:
        yield "monitoring's counts, with the quantiles between its cells"
    if described.policy.labels is not None:
        yield "the counts of labels, and a mark for each receipt that was used"
