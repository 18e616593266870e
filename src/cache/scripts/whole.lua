-- Whatever takes floors away takes the canary, too.
if redis.call('EXISTS', canary) == 0 then return 'lost' end
