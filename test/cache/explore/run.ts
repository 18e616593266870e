import { randomInt } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { availableParallelism, loadavg } from 'node:os'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { describeMachine } from '../../../bench/report.ts'
import { exploreAll, exploreAtRandom } from './explorer.ts'
import type { Found } from './explorer.ts'
import { plainBeginnings } from './plain.ts'
import { protocol } from './protocol.ts'

// `npm run explore`: a million random schedules, and all with two steps out of order. Ends with 1
// at the first stale read, whose schedule it prints. EXPLORE_SCHEDULES, EXPLORE_SEED,
// EXPLORE_THREADS, EXPLORE_DEVIATIONS. Of a million or more it writes EXPLORE_RESULTS.

const WANTED = 1_000_000
const ROUND = 500
/** Of all schedules with steps out of order: small enough to hear of each. */
const PARTS = 240
const TELL_MS = 10_000

type Share = Readonly<{ seed: number; schedules: number; deviations: number; parts: number[] }>
type Sum = Readonly<{ schedules: number; steps: number; reads: number; hits: number }>
type Told = Readonly<{ done: boolean; title: string; found: Found }>

const numberOf = (name: string, unset: number): number => Number(process.env[name] ?? unset)

function tell(title: string, found: Found, done: boolean): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
  parentPort?.postMessage({ title, found, done } satisfies Told)
}

async function work({ seed, schedules, deviations, parts }: Share): Promise<void> {
  for (let at = 0; at < schedules; at += ROUND) {
    const most = Math.min(ROUND, schedules - at)
    tell('random', await exploreAtRandom({ protocol }, { seed: seed + at, schedules: most }), false)
  }
  for (const [title, start] of deviations > 0 ? Object.entries(plainBeginnings) : []) {
    for (const index of parts) {
      const part = { index, of: PARTS }
      const found = await exploreAll({ protocol }, start, { deviations, part })
      tell(`all with ${deviations} out of order: ${title}`, found, false)
    }
  }
  tell('random', await exploreAtRandom({ protocol }, { seed, schedules: 0 }), true)
}

async function main(): Promise<void> {
  const seed = numberOf('EXPLORE_SEED', randomInt(2 ** 30))
  const schedules = numberOf('EXPLORE_SCHEDULES', 1_000_000)
  const threads = numberOf('EXPLORE_THREADS', availableParallelism())
  const deviations = numberOf('EXPLORE_DEVIATIONS', 2)
  const [loadBefore = Number.NaN] = loadavg()
  console.log(`EXPLORE_SEED=${seed}, ${schedules} random schedules in ${threads} threads`)
  const sums = new Map<string, Sum>()
  const print = (): void => {
    for (const [title, sum] of sums) console.log(title, JSON.stringify(sum))
  }
  const telling = setInterval(print, TELL_MS)
  const share = Math.ceil(schedules / threads)
  const workers = Array.from({ length: threads }, async (_, index) => {
    const own = { seed: seed + index * share, schedules: share }
    const parts = Array.from({ length: PARTS }, (__, part) => part)
    const workerData: Share = {
      ...own,
      deviations,
      parts: parts.filter((part) => part % threads === index),
    }
    const worker = new Worker(new URL(import.meta.url), { workerData })
    await new Promise<void>((resolve, reject) => {
      worker.on('error', reject)
      worker.on('message', ({ title, found, done }: Told) => {
        if (found.stale) {
          console.log(`STALE: ${found.stale.what}, seed ${found.stale.seed}`)
          console.log(found.stale.trace.join('\n'))
          process.exit(1)
        }
        const sum = sums.get(title) ?? { schedules: 0, steps: 0, reads: 0, hits: 0 }
        sums.set(title, {
          schedules: sum.schedules + found.schedules,
          steps: sum.steps + found.steps,
          reads: sum.reads + found.reads,
          hits: sum.hits + found.hits,
        })
        if (done) resolve()
      })
    })
  })
  await Promise.all(workers)
  clearInterval(telling)
  print()
  console.log('No read was stale.')
  const set = `EXPLORE_SEED=${seed} EXPLORE_SCHEDULES=${schedules} EXPLORE_DEVIATIONS=${deviations}`
  const page = process.env['EXPLORE_RESULTS']
  if (page && schedules >= WANTED) {
    await writeFile(
      page,
      printPage(sums, await describeMachine(`${set} npm run explore`, loadBefore)),
    )
  }
}

function printPage(sums: ReadonlyMap<string, Sum>, machine: string): string {
  const rows = [...sums].map(([title, { schedules, steps, reads, hits }]) => {
    return `| ${[title, ...[schedules, steps, reads, hits].map(String)].join(' | ')} |`
  })
  return `# Schedules of the cache's protocol

PASS: **no read was stale**

${machine}

The modules of src/cache between a Redis, a database and clocks that take one step at a time
([docs/cache.md](../docs/cache.md#how-it-is-tried)). A read is stale when it shows less than anybody
had heard before it began.

| schedules | how many | steps | reads | answered by a copy |
| --- | ---: | ---: | ---: | ---: |
${rows.join('\n')}
`
}

if (isMainThread) await main()
else await work(workerData as Share)
