import { readFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import * as holds from '../../../src/ledger/hold.ts'
import { post } from '../../../src/ledger/post.ts'
import { cases } from './cases.ts'
import { holdProperties } from './of-hold.ts'
import { postProperties } from './of-post.ts'
import type { Rules } from './rules.ts'

// Runs the properties and the cases against each module whose path stands on a line of the file
// that is named by the first argument. Prints, a line for each, the title that failed, or nothing.
const [, , list = ''] = process.argv
const how = { numRuns: 300, seed: 20_260_302, endOnFailure: true } as const
const checks = [
  ...cases.map(({ title, check }) => ({ title, run: check })),
  ...[...holdProperties, ...postProperties].map(({ title, check }) => ({
    title,
    run: (rules: Rules) => check(rules, how),
  })),
]

function killer(rules: Rules): string {
  const failed = checks.find(({ run }) => {
    try {
      run(rules)
      return false
    } catch {
      return true
    }
  })
  return failed?.title ?? ''
}

for (const path of readFileSync(list, 'utf8').split('\n')) {
  const mutated = (await import(pathToFileURL(path).href)) as Partial<Rules>
  console.log(killer({ post, ...holds, ...mutated }))
}
