import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { prepareDatabase } from '../src/bin/database.ts'
import { startEmbedded } from '../src/db/embedded.ts'
import { openPool } from '../src/db/pool.ts'
import type { Pool } from '../src/db/pool.ts'
import { newId } from '../src/ids/ids.ts'
import { addJobs } from '../src/queue/jobs.ts'
import { countJobs } from '../src/queue/look.ts'
import {
  CITUS_VARIABLE,
  databaseAt,
  ensureRole,
  makeCluster,
  nodesOf,
  onEachNode,
  shut,
} from '../test/kit/citus/cluster.ts'
import { startMailServer } from '../test/messages/mail-server.ts'
import { describeMachine } from './report.ts'
import { median } from './samples.ts'

// Jobs a second at 1, 2 and 4 workers: `npm run bench:jobs` writes bench/jobs-results.md, and with
// CITUS_URL, on a database of that cluster, bench/jobs-citus-results.md.
const WORKERS = [1, 2, 4] as const
const ROUNDS = 3
/** A run ends after this, or when no job is left. */
const RUN_MS = 5_000
/** Jobs that a worker has at once: on Citus each waits for the nodes before it begins. */
const AT_ONCE = { here: [4], spread: [4, 32] } as const
const POLL_MS = 100
/** How long the mail server thinks about each message. */
const THINKS_MS = 50

const farthing = fileURLToPath(new URL('../bin/farthing', import.meta.url))
const home = fileURLToPath(new URL(`../.farthing/bench/jobs-${process.pid}`, import.meta.url))

/** What the jobs do: one insert each, or a message by SMTP to a server that takes its time. */
type Work = Readonly<{ title: string; jobs: number; settings: Readonly<Record<string, string>> }>
type Server = Readonly<{ url: string; name: string; stop: () => Promise<void> }>
type Place = Readonly<{ url: string; pool: Pool }>

const loadBefore = os.loadavg()[0] ?? Number.NaN
await mkdir(home, { recursive: true })
const citusUrl = process.env[CITUS_VARIABLE]
const server = citusUrl === undefined ? await startHere() : await makeOn(citusUrl)
const atOnce = citusUrl === undefined ? AT_ONCE.here : AT_ONCE.spread
const command = `${citusUrl === undefined ? '' : `${CITUS_VARIABLE}=… `}npm run bench:jobs`
const mail = await startMailServer(async () => {
  await sleep(THINKS_MS)
  return '250 taken'
})
const pool = openPool({
  url: server.url,
  max: 4,
  statementTimeoutMs: 60_000,
  applicationName: 'farthing bench',
})
try {
  await prepareDatabase(pool, server.url)
  const works: readonly Work[] = [
    { title: 'one insert', jobs: 8_000, settings: {} },
    { title: `an e-mail, ${THINKS_MS} ms`, jobs: 2_000, settings: { SMTP_URL: mail.url } },
  ].flatMap(({ title, jobs, settings }) =>
    atOnce.map((most) => ({
      title: `${title} | ${most}`,
      jobs,
      settings: { ...settings, JOB_CONCURRENCY: String(most) },
    })),
  )
  const rows: string[] = []
  for (const work of works) rows.push(...(await measure({ url: server.url, pool }, work)))
  const text = [
    '# Jobs a second, by workers',
    await describeMachine(command, loadBefore),
    [
      `Real \`farthing work\` processes on ${server.name} of the same machine, ${RUN_MS / 1_000} s a run;`,
      `${ROUNDS} rounds in which 1, 2 and 4 workers take turns. Shown are medians, and the median of each`,
      `round's ratio to one worker. A machine with ${os.cpus().length} cores has no more of them for four workers and`,
      'the database: what does work of its own stops to grow there, and what waits for others goes on.',
    ].join('\n'),
    [
      '| each job is | at once | workers | jobs/s | to one worker |',
      '| --- | ---: | ---: | ---: | ---: |',
      ...rows,
    ].join('\n'),
  ].join('\n\n')
  console.log(text)
  const page = citusUrl === undefined ? 'jobs-results.md' : 'jobs-citus-results.md'
  await writeFile(new URL(page, import.meta.url), `${text}\n`)
} finally {
  await pool.end()
  await mail.close()
  await server.stop()
  await rm(home, { recursive: true, force: true })
}

async function startHere(): Promise<Server> {
  const { url, stop } = await startEmbedded({ dir: join(home, 'data') })
  return { url, name: 'one PostgreSQL', stop }
}

/** A database of its own on all nodes, gone afterwards. */
async function makeOn(citusUrl: string): Promise<Server> {
  const nodes = await nodesOf(citusUrl)
  const name = `bench_${process.pid}`
  await ensureRole(nodes)
  await makeCluster(nodes, name)
  const url = new URL(databaseAt(nodes[0] ?? '', name))
  url.username = 'farthing'
  return {
    url: url.href,
    name: `Citus with ${nodes.length - 1} workers`,
    stop: async () => {
      await shut(nodes, name)
      await onEachNode(nodes, `drop database ${name} with (force)`)
    },
  }
}

async function measure(place: Place, work: Work): Promise<readonly string[]> {
  const rounds: (readonly number[])[] = []
  for (let round = 0; round < ROUNDS; round += 1) {
    const rates: number[] = []
    for (const workers of WORKERS) {
      const rate = await jobsPerSecond(place, work, workers)
      console.log(`${work.title}: ${workers} workers, ${rate.toFixed(0)} jobs/s`)
      rates.push(rate)
    }
    rounds.push(rates)
  }
  return WORKERS.map((workers, column) => {
    const rate = median(rounds.map((rates) => rates[column] ?? Number.NaN))
    const ratio = median(
      rounds.map((rates) => (rates[column] ?? Number.NaN) / (rates[0] ?? Number.NaN)),
    )
    return `| ${work.title} | ${workers} | ${rate.toFixed(0)} | ${ratio.toFixed(2)} |`
  })
}

/** From the commit that adds them all. */
async function jobsPerSecond(place: Place, work: Work, workers: number): Promise<number> {
  await place.pool.query('truncate message')
  const running = await Promise.all(
    Array.from({ length: workers }, async () => await startWorker(place.url, work.settings)),
  )
  try {
    const jobs = Array.from({ length: work.jobs }, (_, n) => ({
      name: 'send-message' as const,
      payload: {
        userId: newId('user'),
        channel: 'email' as const,
        recipient: `someone-${n}@example.com`,
        subject: 'A message',
        body: 'It says hello.',
      },
      when: {},
    }))
    await addJobs(place.pool, jobs)
    const start = performance.now()
    let left = work.jobs
    while (left > 0 && performance.now() - start < RUN_MS) {
      await sleep(POLL_MS)
      left = await countLeft(place.pool)
    }
    return (work.jobs - left) / ((performance.now() - start) / 1_000)
  } finally {
    await Promise.all(running.map(async (stop) => await stop()))
    await place.pool.query('truncate graphile_worker._private_jobs')
  }
}

async function countLeft(pool: Pool): Promise<number> {
  const { waiting, failed, running } = await countJobs(pool)
  return waiting + failed + running
}

async function startWorker(
  url: string,
  settings: Readonly<Record<string, string>>,
): Promise<() => Promise<void>> {
  const { PATH } = process.env
  const child = spawn('sh', [farthing, 'work'], {
    env: { PATH, DATABASE_URL: url, DATA_DIR: home, OPS_PORT: '0', ...settings },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(child, 'exit')
  const end = (): void => void child.kill('SIGTERM')
  process.once('exit', end) // also when this run breaks off
  const ready = Promise.withResolvers<void>()
  child.stdout.on('data', (chunk: Buffer) => {
    if (chunk.toString().includes('Farthing works')) ready.resolve()
  })
  await Promise.race([
    ready.promise,
    ended.then(([code]) => {
      throw new Error(`a worker did not start: it ended with ${String(code)}`)
    }),
  ])
  return async () => {
    process.off('exit', end)
    end()
    await ended
  }
}
