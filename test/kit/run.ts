import { glob } from 'node:fs/promises'
import { resolve } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'
import { installComponents } from './components.ts'
import { globalSetup, globalTeardown } from './global.ts'
import { DEADLINE_VARIABLE, FILE_MS, RUN_MS } from './limits.ts'

/** Test files at once. Each has a process, and they share the machine with one PostgreSQL. */
const CONCURRENCY = 2

/** Files that put so much on the machine that nothing else may run beside them: they come last. */
const ALONE = '.alone.test.ts'

// `run.ts [file…]` runs the files, or all there are, against one PostgreSQL, and ends with a list
// of what was skipped: a test that did not run must not look like one that passed.
const asked = process.argv.slice(2)
const files = asked.length > 0 ? asked : await Array.fromAsync(glob('test/**/*.test.ts'))
const unfinished = new Set(files.map((file) => resolve(file)))
const skipped: string[] = []
let passed = 0
let failed = 0

await installComponents(files)
await globalSetup()
process.env[DEADLINE_VARIABLE] = String(FILE_MS)
// A process that a test left behind may hold the output open, and then the run would never end.
const late = setTimeout(() => {
  console.log(
    `\nThe run has not ended within ${RUN_MS / 1_000} s. Not reported, the first to blame:`,
  )
  for (const file of unfinished) console.log(`  ${file}`)
  process.exit(1)
}, RUN_MS)
const { alone = [], together = [] } = Object.groupBy(files.sort(), (file) =>
  file.endsWith(ALONE) ? 'alone' : 'together',
)
await runFiles(together, CONCURRENCY)
await runFiles(alone, 1)
clearTimeout(late)
await globalTeardown()

if (skipped.length > 0) {
  console.log(`\nSKIPPED, and so NOT tested (${skipped.length}):`)
  for (const test of skipped) console.log(`  ${test}`)
}
if (passed === 0) console.log('\nNo test ran.')
console.log(`\n${passed} passed, ${failed} failed, ${skipped.length} skipped`)
process.exitCode = failed > 0 || passed === 0 ? 1 : 0

async function runFiles(files: readonly string[], concurrency: number): Promise<void> {
  // Told of none, the runner would look for some itself.
  if (files.length === 0) return
  const tests = run({
    files: [...files],
    concurrency,
    timeout: FILE_MS,
    execArgv: ['--import', new URL('deadline.ts', import.meta.url).href],
  })
  tests.on('test:pass', ({ name, file, skip, todo }) => {
    if (skip !== undefined || todo !== undefined) {
      skipped.push(`${file}: ${name}${typeof skip === 'string' ? ` (${skip})` : ''}`)
    } else passed += 1
  })
  tests.on('test:fail', () => {
    failed += 1
  })
  tests.on('test:summary', ({ file }) => {
    if (file !== undefined) unfinished.delete(file)
  })
  await pipeline(tests.compose(new spec()), process.stdout, { end: false })
}
