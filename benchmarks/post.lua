-- A request that keeps the contract of policy.yaml.
wrk.method = "POST"
wrk.headers["content-type"] = "application/json"
wrk.body = '{"age": 42, "tenure": 31, "income": 51200.5, "balance": 1250.75, "debt": 900.0, "score_a": 0.73, "score_b": 0.11, ' ..
  '"score_c": 0.5, "ratio": 3.25, "rate": 0.045, "employment": "salaried", "note": "returning customer"}'
done = function(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"requests": %d, "duration_us": %d, "p50_us": %d, "p99_us": %d, "errors": %d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
