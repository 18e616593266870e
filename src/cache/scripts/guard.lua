-- Every script begins so. ARGV[1]: what all keys of the epoch begin with. ARGV[2]: the replication
-- id of the mastership that the epoch belongs to: a Redis that was a replica meanwhile has another.
local state = redis.call('INFO', 'replication')
if not string.find(state, 'role:master', 1, true) or
   not string.find(state, 'master_replid:' .. ARGV[2], 1, true) then
  return 'lost'
end
local canary = ARGV[1] .. 'canary'
