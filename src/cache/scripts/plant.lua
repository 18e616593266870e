redis.call('SET', canary, '0')
return 'planted'
