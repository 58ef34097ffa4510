"""Step 5: what hands out the receipts of a route (`labels`)."""

from collections.abc import Callable, Sequence

from guard.contract.input import InputContract
from guard.labels.layout import Layout
from guard.policy import disclosure
from guard.policy.compiling.context import Compilation
from guard.policy.labels import LabelsInvalid, layout_of
from guard.policy.route import Route
from guard.proxy.values import Receipts


def compile_receipts(key: str, route: Route, contract: InputContract | None, context: Compilation) -> Receipts | None:
    """Hands out receipts; None for a route without `labels`, or without the outputs that they are about."""
    labels = context.policy.labels
    if labels is None:
        return None
    try:
        layout = layout_of(key, route, labels)
    except LabelsInvalid as error:
        context.report(("labels", *error.path), f"{key}: {error}")
        return None
    if layout is None:
        return None
    context.layouts.append(layout)
    for age, label in labels.after.items():
        if layout.label(label) is None:
            context.report(("labels", "after", age), f"{key}: no label of the output {layout.output}")
    if context.keyring is None:
        return None
    measures = [measure.name for measure in disclosure.measures(route.outputs)]
    instances: Callable[[object, int], Sequence[object]] = contract.instances if contract is not None else _none
    return context.issuer(labels, context.keyring, layout, measures, instances)


def _none(_document: object, _most: int) -> Sequence[object]:
    return ()


def hold_labels(context: Compilation) -> None:
    """Report `labels` that no route can follow."""
    labels = context.policy.labels
    if labels is None or context.layouts or context.errors:
        return
    wanted = ", ".join(filter(None, (labels.output, *labels.segments))) or "an enum or a bounded number up to internal"
    context.report(("labels",), f"no route has what receipts hold ({wanted}); declare it among a route's output and input")


__all__ = ["Layout", "compile_receipts", "hold_labels"]
