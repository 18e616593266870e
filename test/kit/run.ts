import { glob } from 'node:fs/promises'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'
import { fileURLToPath } from 'node:url'

/** Test files at once. Each has a process, and they share the machine with one PostgreSQL. */
const CONCURRENCY = 2
const FILE_TIMEOUT_MS = 600_000

// `run.ts [file…]` runs the files, or all there are, against one PostgreSQL, and ends with a list
// of what was skipped: a test that did not run must not look like one that passed.
const asked = process.argv.slice(2)
const files = asked.length > 0 ? asked : await Array.fromAsync(glob('test/**/*.test.ts'))
const skipped: string[] = []
let passed = 0
let failed = 0

const tests = run({
  files: files.sort(),
  concurrency: CONCURRENCY,
  timeout: FILE_TIMEOUT_MS,
  globalSetupPath: fileURLToPath(new URL('global.ts', import.meta.url)),
})
tests.on('test:pass', ({ name, file, skip, todo }) => {
  if (skip !== undefined || todo !== undefined) {
    skipped.push(`${file}: ${name}${typeof skip === 'string' ? ` (${skip})` : ''}`)
  } else passed += 1
})
tests.on('test:fail', () => {
  failed += 1
})
tests.compose(new spec()).pipe(process.stdout)

process.once('beforeExit', () => {
  if (skipped.length > 0) {
    console.log(`\nSKIPPED, and so NOT tested (${skipped.length}):`)
    for (const test of skipped) console.log(`  ${test}`)
  }
  if (passed === 0) console.log('\nNo test ran.')
  process.exitCode = failed > 0 || passed === 0 ? 1 : 0
})
