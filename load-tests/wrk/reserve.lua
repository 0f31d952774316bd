-- Distinct, valid reservations of one slot. Arguments: slot id, a tag that no other run has, and for a paced run how many
-- requests each thread sends a second; without it they go as fast as they are answered.
dofile(debug.getinfo(1, 'S').source:match('@(.*/)') .. 'result.lua')

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
  if args[3] then pace(tonumber(args[3])) end
end

-- wrk asks `delay` before each request. Each has its time in a schedule; who is late is not waited for.
function pace(perSecond)
  local ffi = require('ffi')
  ffi.cdef('typedef struct { long s; long ns; } instant; int clock_gettime(int clock, instant *now);')
  local instant = ffi.new('instant')
  local function nowMs()
    ffi.C.clock_gettime(1, instant)
    return tonumber(instant.s) * 1000 + tonumber(instant.ns) / 1e6
  end
  local startMs, sent = nowMs(), 0
  function delay()
    sent = sent + 1
    return math.max(0, math.floor(startMs + sent * 1000 / perSecond - nowMs()))
  end
end

function request()
  count = count + 1
  return string.format(template, number, count)
end
