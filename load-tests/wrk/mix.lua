-- What a busy site asks: slots by Zipf's law (the k-th most wanted is asked for k times less often than the first), most
-- requests a GET of one, the rest a reservation of it. Arguments: a file with a slot id in each line, the most wanted first, a
-- tag that no other run has, and the share of reservations in percent. Every thread has its own seed, the same in each run.
dofile(debug.getinfo(1, 'S').source:match('@(.*/)') .. 'result.lua')

local threads = 0

function setup(thread)
  thread:set('number', threads)
  threads = threads + 1
end

function init(args)
  math.randomseed(number + 1)
  ids, reach = {}, {}
  local sum = 0
  for id in io.lines(args[1]) do
    ids[#ids + 1] = id
    sum = sum + 1 / #ids
    reach[#ids] = sum
  end
  tag, writes, count = args[2] .. '-' .. number .. '-', tonumber(args[3]) / 100, 0
end

-- The first slot whose share of all requests, with those before it, reaches a random point.
local function wanted()
  local point = math.random() * reach[#reach]
  local low, high = 1, #reach
  while low < high do
    local middle = math.floor((low + high) / 2)
    if reach[middle] < point then low = middle + 1 else high = middle end
  end
  return ids[low]
end

function request()
  local id = wanted()
  if math.random() >= writes then return 'GET /slots/' .. id .. ' HTTP/1.1\r\nHost: bench\r\n\r\n' end
  count = count + 1
  local body = '{"slot_id":"' .. id .. '","user_id":"' .. tag .. count .. '"}'
  return 'POST /reservations HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: ' ..
    #body .. '\r\n\r\n' .. body
end
