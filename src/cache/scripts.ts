/**
 * What Redis runs, in Lua: each script is one step that nothing comes between.
 * test/cache/explore/scripts.ts does the same for the explorer.
 */

const guard = `
-- Every script begins so. ARGV[1]: what all keys of the epoch begin with. ARGV[2]: the replication
-- id of the mastership that the epoch belongs to: a Redis that was a replica meanwhile has another.
local state = redis.call('INFO', 'replication')
if not string.find(state, 'role:master', 1, true) or
   not string.find(state, 'master_replid:' .. ARGV[2], 1, true) then
  return 'lost'
end
local canary = ARGV[1] .. 'canary'`

const whole = `-- Whatever takes floors away takes the canary, too.
if redis.call('EXISTS', canary) == 0 then return 'lost' end`

const plant = `redis.call('SET', canary, '0')
return 'planted'`

const look = `
-- ARGV: 3 kind, 4 user, 5 token, 6 how long a claim stands, 7 since when the caller has a lease and
-- 8 how long it lasts, by this clock and in milliseconds, 9 a copy that was found and does not
-- serve: while it is still there, a claim takes its place.
local now = redis.call('TIME')
local age = now[1] * 1000 + now[2] / 1000 - tonumber(ARGV[7])
if age < 0 or age >= tonumber(ARGV[8]) then return 'late' end
local slot = ARGV[1] .. ARGV[3] .. ':' .. ARGV[4]
local found = redis.call('GET', slot)
if not found or (ARGV[9] and found == 'v' .. ARGV[9]) then
  redis.call('SET', slot, 't' .. ARGV[5], 'PX', ARGV[6])
  return 'claimed'
end
if string.sub(found, 1, 1) == 't' then return 'taken' end
return found`

const fill = `
-- ARGV: 3 kind, 4 user, 5 token, 6 and 7 the versions, 8 how long it is kept, in ms, 9 the copy.
local slot = ARGV[1] .. ARGV[3] .. ':' .. ARGV[4]
if redis.call('GET', slot) ~= 't' .. ARGV[5] then return 'refused' end
local floor = redis.call('GET', ARGV[1] .. 'floor:' .. ARGV[4])
if floor then
  local money, view = string.match(floor, '^(%d+) (%d+)$')
  if tonumber(ARGV[6]) < tonumber(money) or tonumber(ARGV[7]) < tonumber(view) then
    redis.call('DEL', slot)
    return 'refused'
  end
end
redis.call('SET', slot, 'v' .. ARGV[9], 'PX', ARGV[8])
return 'filled'`

const raise = `
-- ARGV from 3 on: a user, their wallet's version and that of the rest, and so on. 0 leaves a floor
-- as it is. Floors have no end of their own and are never evicted; copies and claims may be.
local CHUNK = 1000
local added = 0
for first = 3, #ARGV, 3 * CHUNK do
  local last = math.min(first + 3 * CHUNK - 1, #ARGV)
  local floors, slots, wanted = {}, {}, {}
  for at = first, last, 3 do
    floors[#floors + 1] = ARGV[1] .. 'floor:' .. ARGV[at]
    slots[#slots + 1] = ARGV[1] .. 'user:' .. ARGV[at]
    slots[#slots + 1] = ARGV[1] .. 'history:' .. ARGV[at]
  end
  local stand = redis.call('MGET', unpack(floors))
  for index, floor in ipairs(floors) do
    local at = first + (index - 1) * 3
    local money, view = ARGV[at + 1], ARGV[at + 2]
    if stand[index] then
      local oldMoney, oldView = string.match(stand[index], '^(%d+) (%d+)$')
      if tonumber(oldMoney) > tonumber(money) then money = oldMoney end
      if tonumber(oldView) > tonumber(view) then view = oldView end
    else
      added = added + 1
    end
    wanted[#wanted + 1] = floor
    wanted[#wanted + 1] = money .. ' ' .. view
  end
  redis.call('MSET', unpack(wanted))
  redis.call('UNLINK', unpack(slots))
end
return redis.call('INCRBY', canary, added)`

export const sources = {
  plant: [guard, plant].join('\n'),
  look: [guard, whole, look].join('\n'),
  fill: [guard, whole, fill].join('\n'),
  raise: [guard, whole, raise].join('\n'),
} as const

export type Script = keyof typeof sources
