import { chmodSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { type Answer, type Ask, socketIn } from './control.ts'
import { createKeeper, type Kept } from './keeper.ts'
import { endAllIn, isAlive, type Process, type Running, runningAs } from './process.ts'

// Started by `farthing cluster up`, with the folder of the cluster. It ends when it is asked to,
// and all that it keeps with it. Killed, it leaves them running, and the next one takes them over.
const dir = process.argv[2] ?? ''
/** What is left of a process that had to be killed has so long before it is killed, too. */
const LEFT_WITHIN_MS = 10_000
const pidsFile = `${dir}/run/pids.json`

/** By name; the supervisor's own under its own. */
export type Pids = Readonly<Record<string, Running>>

const readPlan = (): readonly Process[] =>
  JSON.parse(readFileSync(`${dir}/run/plan.json`, 'utf8')) as readonly Process[]

function readPids(): Pids {
  try {
    return JSON.parse(readFileSync(pidsFile, 'utf8')) as Pids
  } catch {
    return {}
  }
}

function writePids(kept: readonly Kept[]): void {
  const children = kept.flatMap(({ name, running }) => (running ? [[name, running] as const] : []))
  const pids = { ...Object.fromEntries(children), supervisor: runningAs(process.pid) }
  writeFileSync(`${pidsFile}.new`, JSON.stringify(pids, null, 2), { mode: 0o600 })
  renameSync(`${pidsFile}.new`, pidsFile)
}

const before = Object.entries(readPids()).filter(([, running]) => isAlive(running))
const keeper = createKeeper(new Map(before), writePids)
// What an older one kept is kept on.
for (const process of readPlan()) {
  if (before.some(([name]) => name === process.name)) keeper.start(process)
}
writePids(keeper.list())

const server = createServer({ allowHalfOpen: true }, (socket) => void answer(socket))
rmSync(socketIn(dir), { force: true })
process.umask(0o077)
server.listen(socketIn(dir), () => chmodSync(socketIn(dir), 0o600))

async function answer(socket: Socket): Promise<void> {
  socket.on('error', () => undefined) // whoever asked is gone
  try {
    const what = JSON.parse(await text(socket)) as Ask
    const done = await carryOut(what)
    socket.end(JSON.stringify(done))
    if (what.do === 'end') socket.once('close', () => process.exit(0))
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    socket.end(JSON.stringify({ error: why } satisfies Answer))
  }
}

async function carryOut(what: Ask): Promise<Answer> {
  if (what.do === 'start') start(what.names)
  if (what.do === 'stop') await stop(what.names)
  if (what.do === 'end') await endAll()
  return { kept: keeper.list() }
}

function start(names: readonly string[]): void {
  const plan = readPlan()
  for (const name of names) {
    const process = plan.find((one) => one.name === name)
    if (!process) throw new Error(`there is no ${name}`)
    keeper.start(process)
  }
}

/**
 * What a process has begun ends with it: a PostgreSQL whose Patroni had to be killed runs on else.
 *
 * @throws Error naming what does not end.
 */
async function stop(names: readonly string[]): Promise<void> {
  await Promise.all(names.map(keeper.stop))
  const theirs = readPlan().filter(({ name }) => names.includes(name))
  const left = await Promise.all(theirs.map(async ({ cwd }) => await endAllIn(cwd, LEFT_WITHIN_MS)))
  const pids = left.flat().map(({ pid }) => pid)
  if (pids.length > 0) throw new Error(`not down: ${pids.join(', ')} run on`)
}

/** The last in the plan first: what others stand on ends last. One kind at a time. */
async function endAll(): Promise<void> {
  const kinds = Map.groupBy(readPlan(), ({ name }) => name.replace(/-\d+$/, ''))
  for (const [, processes] of [...kinds].reverse()) {
    await stop(processes.map(({ name }) => name))
  }
}

for (const name of ['SIGTERM', 'SIGINT'] as const) {
  process.once(name, () => void endAll().then(() => process.exit(0)))
}
