import { DEADLINE_VARIABLE } from './limits.ts'

// Preloaded into the process of every test file. One that never ends would keep the whole run
// waiting without a word: it is told what keeps it, and ended.
const ms = Number(process.env[DEADLINE_VARIABLE])
const file = process.argv[1] ?? 'a test file'
setTimeout(() => {
  const kept = Object.entries(Object.groupBy(process.getActiveResourcesInfo(), (name) => name))
  const list = kept.map(([name, each = []]) => `${each.length} ${name}`).join(', ')
  console.error(`${file} has not ended within ${ms / 1_000} s and is stopped. It keeps: ${list}`)
  process.exit(1)
}, ms).unref()
