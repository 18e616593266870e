import { test } from 'node:test'
import * as holds from '../../src/ledger/hold.ts'
import { post } from '../../src/ledger/post.ts'
import { holdProperties } from './properties/of-hold.ts'

for (const { title, check } of holdProperties) {
  test(title, () => check({ post, ...holds }, { numRuns: 500 }))
}
