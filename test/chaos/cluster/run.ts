import { existsSync } from 'node:fs'
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { describeMachine } from '../../../bench/report.ts'
import { openPool } from '../../../src/db/pool.ts'
import type { Pool } from '../../../src/db/pool.ts'
import { auditBooks } from '../../../src/ops/audit.ts'
import { countTransactions, untilSettled } from '../kit/books.ts'
import { fund, signUp } from '../kit/caller.ts'
import type { Member } from '../kit/caller.ts'
import { requireComponent } from '../../kit/components.ts'
import { createRandom } from '../kit/random.ts'
import type { Random } from '../kit/random.ts'
import { fared } from './check/gaps.ts'
import { judge } from './check/judge.ts'
import { barsOf, printReport, tell } from './check/report.ts'
import type { Report } from './check/report.ts'
import { breakOnce, CALM_MS } from './faults/nemesis.ts'
import type { Episode } from './faults/nemesis.ts'
import type { Fault } from './faults/table.ts'
import { networkMissing } from './faults/network.ts'
import { startLoad } from './load/crowd.ts'
import { doings, moment } from './load/history.ts'
import type { Line } from './load/history.ts'
import { addNamespace, NAMESPACE, removeNamespace, runInside } from './namespace.ts'
import { raise, raze } from './picture.ts'
import type { Picture } from './picture.ts'
import { readPlan } from './plan.ts'
import type { Plan } from './plan.ts'

// Raises a cluster, lets customers use it, breaks it, and holds all that they heard against the
// books. Exit code 1 when a bar is missed, 2 when it cannot be done here. docs/chaos.md
// The outer process keeps order: whatever becomes of the inner one, nothing is left behind.

const CUSTOMERS = 24
const FIRST_CENTS = 100_000n
const PER_SECOND = Number(process.env['CHAOS_RATE'] ?? 30)
/** With nothing broken: what is usual. */
const USUAL_MS = 8_000
const DIR = 'CHAOS_DIR'

const say = (line: string): void => console.log(line)
const inside = process.env[NAMESPACE]
process.exitCode = inside === undefined ? await outer() : await inner(inside)

async function outer(): Promise<number> {
  const why = await cannot()
  if (why !== null) {
    console.error(`Chaos is not possible here: ${why}.`)
    return 2
  }
  const name = `farthing-chaos-${process.pid}`
  const dir = `/var/lib/${name}`
  addNamespace(name)
  try {
    const code = await runInside(name, { [DIR]: dir })
    if (code !== 0) await keepLogs(name, dir)
    return code
  } finally {
    await raze(name, dir)
    removeNamespace(name)
    say('All that ran has ended, and nothing of it is left.')
  }
}

/** Null when all is there, or why it is not, and what would help. */
async function cannot(): Promise<string | null> {
  try {
    await requireComponent('cluster')
    await requireComponent('chaos')
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
  return await networkMissing()
}

async function keepLogs(name: string, dir: string): Promise<void> {
  const logs = join(tmpdir(), `${name}-logs`)
  if (!existsSync(join(dir, 'log'))) return
  await cp(join(dir, 'log'), logs, { recursive: true })
  say(`\nWhat each process said: ${logs}`)
}

async function inner(name: string): Promise<number> {
  process.once('SIGTERM', () => process.exit(1))
  const plan = readPlan(process.env)
  say(`${plan.command}\n`)
  const picture = await raise(name, process.env[DIR] ?? '', plan.smallDisks, say)
  const report = await unleash(picture, plan)
  await picture.leave()
  say(`\n${printReport(report)}`)
  for (const { name } of plan.left()) say(`Not reached in time: ${name}`)
  const passes = report.bars.every(({ passes }) => passes)
  await keep(report, plan)
  return passes ? 0 : 1
}

/** As JSON for programs, and for people as a page of results, where that is asked for. */
async function keep(report: Report, { whole }: Plan): Promise<void> {
  const { CHAOS_REPORT: json, CHAOS_RESULTS: page } = process.env
  if (json) await writeFile(json, JSON.stringify(report, null, 2))
  if (page && whole) {
    await writeFile(page, `# What was broken, and what came of it\n\n${printReport(report)}\n`)
  }
}

async function unleash(picture: Picture, plan: Plan): Promise<Report> {
  const random = createRandom(plan.seed)
  const [loadBefore = 0] = loadavg()
  const [api] = picture.apis
  const members = await Promise.all(
    Array.from({ length: CUSTOMERS }, async () => await signUp(api)),
  )
  await Promise.all(members.map(async (one) => await fund(api, one, FIRST_CENTS)))
  const books = openBooks(picture)
  const before = await countTransactions(
    books,
    members.map(({ userId }) => userId),
  )
  const timeline = await picture.timeline()
  const dir = await mkdtemp(join(tmpdir(), 'farthing-chaos-'))
  const { lines, episodes, impossible, usual } = await breakUnderLoad(
    picture,
    members,
    plan,
    random,
    dir,
  )
  await untilSettled(books)
  const verdict = await judge(books, lines, before)
  const findings = await auditBooks(books)
  await books.end()
  await rm(dir, { recursive: true, force: true })
  const told = episodes.map((episode) => tell(episode, lines))
  const last = await picture.timeline()
  const promotions = last !== null && timeline !== null ? last - timeline : null
  const audit = {
    checks: findings.length,
    offences: findings.flatMap(({ offences }) => offences.map((one) => JSON.stringify(one))),
  }
  const done = { told, impossible: namesOf(impossible), left: namesOf(plan.left()), promotions }
  const calm = doings.map((doing) => [doing, fared(lines, doing, usual)] as const)
  return {
    command: plan.command,
    machine: await describeMachine(plan.command, loadBefore),
    minutes: Math.round((moment() - usual.from) / 6_000) / 10,
    customers: CUSTOMERS,
    perSecond: PER_SECOND,
    calm: Object.fromEntries(calm) as Report['calm'],
    promotions,
    impossible: done.impossible,
    verdict,
    audit: audit.offences,
    episodes: told,
    bars: barsOf(done, verdict, audit, plan),
  }
}

function namesOf(all: readonly Fault[]): readonly string[] {
  return all.map(({ name }) => name)
}

async function breakUnderLoad(
  picture: Picture,
  members: readonly Member[],
  plan: Plan,
  random: Random,
  dir: string,
) {
  const told = { apis: picture.apis, perSecond: PER_SECOND, seed: plan.seed, dir }
  const load = await startLoad(members, told)
  const from = moment()
  await delay(USUAL_MS)
  const usual = { from, to: moment() }
  // A gap counts with all of its length: the first fault's is none of these.
  await delay(CALM_MS)
  const episodes: Episode[] = []
  const impossible: Fault[] = []
  for (let next = plan.next(0, random); next; next = plan.next(moment() - from, random)) {
    const { episode, ...not } = await breakOnce(picture, next, plan.mostMs, random)
    impossible.push(...not.impossible)
    if (episode) {
      episodes.push(episode)
      say(printEpisode(episode, moment() - from, await load.lines()))
    }
    await delay(CALM_MS)
  }
  await load.stop()
  return { lines: await load.lines(), episodes, impossible, usual }
}

function printEpisode(episode: Episode, ranMs: number, lines: readonly Line[]): string {
  const { faults, victims, fared, missing, wholeAfterMs } = tell(episode, lines)
  const at = `${(ranMs / 60_000).toFixed(1)} min`.padStart(9)
  const gaps = doings.map((doing) => `${doing}s ${fared[doing].longestGapMs}`).join(', ')
  const end = missing === null ? `whole after ${wholeAfterMs} ms` : `NOT WHOLE: ${missing}`
  return `${at}  ${faults.join(' + ')} (${victims.join(', ')}): gaps in ms: ${gaps}; ${end}`
}

function openBooks({ databaseUrl }: Picture): Pool {
  const timeout = { statementTimeoutMs: 120_000 }
  return openPool({ url: databaseUrl, max: 2, ...timeout, applicationName: 'chaos books' })
}
