import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openReloadDoor } from '../../src/bin/processes/reload/door.ts'
import { readConfig } from '../../src/config.ts'
import { StartRefused } from '../../src/errors.ts'

test('a start that cannot write into DATA_DIR says what to do', async () => {
  // Nobody can make a folder there, not even root.
  const config = readConfig({ DATA_DIR: '/dev/null/data' })
  await assert.rejects(openReloadDoor(config, []), (error) => {
    assert(error instanceof StartRefused, String(error))
    assert.match(error.message, /\/dev\/null\/data\/reload cannot be written.*set DATA_DIR/s)
    return true
  })
})
