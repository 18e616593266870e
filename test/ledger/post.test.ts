import { test } from 'node:test'
import * as holds from '../../src/ledger/hold.ts'
import { post } from '../../src/ledger/post.ts'
import { cases } from './properties/cases.ts'
import { postProperties } from './properties/of-post.ts'

const rules = { post, ...holds }

for (const { title, check } of postProperties) {
  test(title, () => check(rules, { numRuns: 400 }))
}

for (const { title, check } of cases) {
  test(title, () => check(rules))
}
