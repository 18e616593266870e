import assert from 'node:assert/strict'
import { glob } from 'node:fs/promises'
import { test } from 'node:test'
import { unzipSync } from 'fflate'
import { packFunction } from '../../../deploy/lambda/pack.ts'

test('all SQL that the code reads beside itself is in the zip, under the same names', async () => {
  const paths = await Array.fromAsync(glob('src/*/{audit,migrations}/**/*.sql'))
  const wanted = paths.map((path) => path.split('/').slice(2).join('/'))
  assert(wanted.includes('audit/shards/06-entries-are-append-only.sql'))
  const there = Object.keys(unzipSync(await packFunction())).filter((name) => name.endsWith('.sql'))
  assert.deepEqual(there.toSorted(), wanted.toSorted())
})
