"""Monitoring: know that a model is wrong before its users do.

Here: cells, counts, evidence and alarms of one route; pure, so that time is an argument and nothing is read or written.
Not here: where values are judged (`guard.contract`), and when a tick comes or a file is read (`guard.control`).

A value becomes the index of a cell where it is judged; cells are counted; once a second counts become evidence against a
reference; evidence that reaches a threshold is an alarm. What a false alarm costs is a number: the mean time between them.

    cells        a declared field → cells; `FieldCells.index(value)`
    tally        flat integer counts of a route                             on the path of a request
    sampling     which requests are looked at                               on the path of a request
    quantiles    the sample of which cuts are made
    signals      cells that are bet on together; weights
    detector     bets, evidence, blame, onset: the law of the run length
    dispersion   D: how much requests depend on each other
    season       the hours of the week
    stages       what a reference allows to be claimed, as bands
    reference    the reference: value, file, and how one is made of rows
    learning     how one is learned from live traffic
    window       what cells were like lately; intervals and distances
    alarms       one latched alarm; severity; when it is over
    monitor      all of it for one route, a tick a second
    state, codec the monitor's state as bytes
    figures      what may be shown
    promise      how long a shift takes to be seen, before anything runs

How it is used, by whoever has the values, the clock and the disk:

- **Compile.** For each watched field a `FieldSpec`: `number` (integers too), `age` (a timestamp: the value counted is
  its age in seconds), `class` (an enumeration or a boolean), `vector` (a list of numbers), `presence` (all else).
  `private` above `internal`. `MonitorConfig(fields, threshold, season, tolerate)`, threshold A = seconds per allowed
  false alarm × routes × replicas. `season` is `unset` where the policy has no `monitor`.
- **Count**, in the single pass over a body. `Sampler.draw(hash of the request id, now)`; then, of the `model` rung
  only, without drills, rehearsals, shadows and retries: `tally = monitor.tally`, read anew for each request;
  `tally.begin(hash of the inputs, rows)`; for each field `tally.fields[i].add(values)`, one value for each row, None
  where absent. `tally.fields` are the inputs in the order of `config.fields`, then the outputs: `monitor.fields()`
  lists them. `begin` and every `add` of a request happen before the next `begin`.
- **Tick**, once a second: `monitor.tick(wall)` returns an `Alarm` in the tick that raises it; when `monitor.alarm` is None
  again it ended by itself. `monitor.end("accept" | "reset")` and `monitor.expect(until)` are the operator's orders.
- **Versions.** `monitor.restart("output", reference)` when another model version answers.
- **Keep.** `state.dump(monitor)` each minute, `state.restore(config, wall, state)` at a start; StateInvalid means:
  start afresh and say so. `Reference.to_json`, `parse_reference`; `monitor.frozen()` are the fields of a learned
  reference.
- **Show.** `figures.figures(monitor)`, `figures.evidence(monitor)`, `promise.promises(...)`, `Reference.shown()`.
"""
