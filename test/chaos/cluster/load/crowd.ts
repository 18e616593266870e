import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Member } from '../../kit/caller.ts'
import { readLines } from './history.ts'
import type { Line } from './history.ts'
import type { Addresses } from './insistent.ts'

/** What one process of customers is told. */
export type Crowd = Readonly<{
  apis: Addresses
  /** Those who ask. */
  own: readonly Member[]
  /** Those who may be paid, by their outside names. */
  payees: readonly string[]
  perSecond: number
  seed: number
  /** The file that the history goes to. */
  history: string
}>

export type Load = Readonly<{
  /** What was heard so far. */
  lines: () => Promise<readonly Line[]>
  /** No more is asked; ends when all that was asked has been answered. */
  stop: () => Promise<void>
  /** At once, with nothing heard any more. */
  kill: () => void
}>

/** Processes of customers: one that the machine holds up does not silence them all. */
const CROWDS = 2
const OUTPUT_KEPT = 4_000

/** Starts all customers. Each of them asks in one process, and may be paid from both. */
export async function startLoad(
  members: readonly Member[],
  told: Readonly<{ apis: Addresses; perSecond: number; seed: number; dir: string }>,
): Promise<Load> {
  const { apis, seed, dir } = told
  const payees = members.map(({ name }) => name)
  const perSecond = told.perSecond / CROWDS
  const crowds = await Promise.all(
    Array.from({ length: CROWDS }, async (_, index) => {
      const own = members.filter((_, place) => place % CROWDS === index)
      const history = join(dir, `history-${index}.jsonl`)
      const crowd: Crowd = { apis, own, payees, perSecond, seed: seed + index, history }
      const file = join(dir, `crowd-${index}.json`)
      await writeFile(file, JSON.stringify(crowd))
      await writeFile(history, '')
      return { history, ...startProcess(file) }
    }),
  )
  return {
    lines: async () => (await Promise.all(crowds.map(({ history }) => readLines(history)))).flat(),
    stop: async () => {
      await Promise.all(crowds.map(async ({ stop }) => await stop()))
    },
    kill: () => {
      for (const { kill } of crowds) kill()
    },
  }
}

function startProcess(file: string) {
  const script = fileURLToPath(new URL('customers.ts', import.meta.url))
  const child = spawn(process.execPath, [script, file], { stdio: ['pipe', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-OUTPUT_KEPT)
    })
  }
  const runs = (): boolean => child.exitCode === null && child.signalCode === null
  const kill = (): void => {
    child.kill('SIGKILL')
  }
  // Also when the process that started it is stopped before its time; killed, it closes the pipe.
  process.once('exit', kill)
  return {
    kill,
    stop: async (): Promise<void> => {
      child.kill('SIGTERM')
      if (runs()) await once(child, 'exit')
      process.off('exit', kill)
      assert.equal(child.exitCode, 0, `customers have ended by themselves\n${output}`)
    },
  }
}
