-- Distinct, valid reservations of one slot. Arguments: slot id, a tag that no other run has.
local threads = 0

function setup(thread)
  thread:set('number', threads)
  threads = threads + 1
end

function init(args)
  -- Every body has the same length, so the head is made once.
  local body = '{"slot_id":"' .. args[1] .. '","user_id":"' .. args[2] .. '-%02d-%09d"}'
  local length = #string.format(body, 0, 0)
  template = 'POST /reservations HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n' ..
    'Content-Length: ' .. length .. '\r\n\r\n' .. body
  count = 0
end

function request()
  count = count + 1
  return string.format(template, number, count)
end

-- One line of JSON at the end, for load-tests/src/bench/wrk.ts.
function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"requests":%d,"duration_us":%d,"p50_us":%d,"p99_us":%d,"max_us":%d,' ..
    '"status_errors":%d,"socket_errors":%d,"timeouts":%d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), latency.max,
    errors.status, errors.connect + errors.read + errors.write, errors.timeout))
end
