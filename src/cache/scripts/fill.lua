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
return 'filled'
