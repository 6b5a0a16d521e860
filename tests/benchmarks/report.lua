-- What wrk found, as one line of JSON; times in microseconds.
done = function(summary, latency)
   local errors = summary.errors
   io.write(string.format(
      '{"requests":%d,"duration":%d,"p50":%d,"p99":%d,'
         .. '"errors":{"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d}}\n',
      summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
      errors.connect, errors.read, errors.write, errors.status, errors.timeout))
end
