-- Reservations of one slot, each from the beginning to its confirmation. Arguments: slot id, a tag that no other run has,
-- and `at-once` or `held`: held ones are confirmed by a second request as soon as they are answered.
dofile(debug.getinfo(1, 'S').source:match('@(.*/)') .. 'result.lua')

local threads = 0

function setup(thread)
  thread:set('number', threads)
  threads = threads + 1
end

function init(args)
  held = args[3] == 'held'
  local body = '{"slot_id":"' .. args[1] .. '","user_id":"' .. args[2] .. '-%02d-%09d","mode":"' ..
    (held and 'hold' or 'confirm') .. '"}'
  local length = #string.format(body, 0, 0)
  reserve = 'POST /reservations HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n' ..
    'Content-Length: ' .. length .. '\r\n\r\n' .. body
  confirm = 'POST /reservations/%s/confirm HTTP/1.1\r\nHost: bench\r\n\r\n'
  count = 0
  -- Those to be confirmed, the oldest first.
  ids, first, last = {}, 1, 0
end

function request()
  if first <= last then
    local id = ids[first]
    ids[first] = nil
    first = first + 1
    return string.format(confirm, id)
  end
  count = count + 1
  return string.format(reserve, number, count)
end

-- Both ways read their answers, so that both cost the load generator the same. An answer to a confirmation says what it
-- is called; only a reservation's says what it was asked for.
function response(status, headers, body)
  local id = string.match(body, '"id":"([^"]+)"')
  local made = string.find(body, '"quantity"', 1, true)
  if held and status == 202 and made then
    last = last + 1
    ids[last] = id
  end
end
