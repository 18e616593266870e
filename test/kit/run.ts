import { glob } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'
import { globalSetup, globalTeardown } from './global.ts'

/** Test files at once. Each has a process, and they share the machine with one PostgreSQL. */
const CONCURRENCY = 2
const FILE_TIMEOUT_MS = 300_000

// `run.ts [file…]` runs the files, or all there are, against one PostgreSQL, and ends with a list
// of what was skipped: a test that did not run must not look like one that passed.
const asked = process.argv.slice(2)
const files = asked.length > 0 ? asked : await Array.fromAsync(glob('test/**/*.test.ts'))
const skipped: string[] = []
let passed = 0
let failed = 0

await globalSetup()
const tests = run({
  files: files.sort(),
  concurrency: CONCURRENCY,
  timeout: FILE_TIMEOUT_MS,
})
tests.on('test:pass', ({ name, file, skip, todo }) => {
  if (skip !== undefined || todo !== undefined) {
    skipped.push(`${file}: ${name}${typeof skip === 'string' ? ` (${skip})` : ''}`)
  } else passed += 1
})
tests.on('test:fail', () => {
  failed += 1
})
await pipeline(tests.compose(new spec()), process.stdout, { end: false })
await globalTeardown()

if (skipped.length > 0) {
  console.log(`\nSKIPPED, and so NOT tested (${skipped.length}):`)
  for (const test of skipped) console.log(`  ${test}`)
}
if (passed === 0) console.log('\nNo test ran.')
console.log(`\n${passed} passed, ${failed} failed, ${skipped.length} skipped`)
process.exitCode = failed > 0 || passed === 0 ? 1 : 0
