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
return redis.call('INCRBY', canary, added)
