-- ARGV: 3 kind, 4 user, 5 token, 6 how long a claim stands, in milliseconds.
local slot = ARGV[1] .. ARGV[3] .. ':' .. ARGV[4]
local found = redis.call('GET', slot)
if not found then
  redis.call('SET', slot, 't' .. ARGV[5], 'PX', ARGV[6])
  return 'claimed'
end
if string.sub(found, 1, 1) == 't' then return 'taken' end
return found
