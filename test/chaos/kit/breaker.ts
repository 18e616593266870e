import { execFile } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { Random } from './random.ts'
import { postmasterOf, signalProcess } from './farthing.ts'
import type { Farthing } from './farthing.ts'

/** What is SIGKILLed: the service, its PostgreSQL, one process of that, or both at once. */
const victims = ['server', 'postmaster', 'backend', 'server and postmaster'] as const
export type Victim = (typeof victims)[number]

export type Breaker = Readonly<{
  /** Kills something, and starts the service again if that was it. */
  strike: () => Promise<void>
  kills: () => Readonly<Record<Victim, number>>
}>

/** A start that is killed in its turn, at most this late. */
const STARTING_MS = 2_500

export function createBreaker(service: Farthing, dataDir: string, random: Random): Breaker {
  const kills = { server: 0, postmaster: 0, backend: 0, 'server and postmaster': 0 }

  async function kill(victim: Victim): Promise<boolean> {
    const postmaster = await postmasterOf(dataDir)
    if (victim === 'backend') {
      const backends = postmaster === null ? [] : await childrenOf(postmaster)
      const [first, ...rest] = backends
      if (first === undefined) return false
      signalProcess(random.pick([first, ...rest]), 'SIGKILL')
      return true
    }
    if (victim === 'postmaster') {
      if (postmaster === null) return false
      signalProcess(postmaster, 'SIGKILL')
      return true
    }
    if (!service.runs()) return false
    await service.sigkill()
    // Now PostgreSQL has noticed, and is on its way down.
    if (victim === 'server and postmaster' && postmaster !== null) {
      signalProcess(postmaster, 'SIGKILL')
    }
    return true
  }

  return {
    strike: async () => {
      const victim = random.pick<Victim>([...victims, 'server', 'server', 'backend'])
      if (await kill(victim)) kills[victim] += 1
      service.start()
      if (!random.chance(0.25)) return
      await delay(random.below(STARTING_MS))
      if (await kill('server')) kills.server += 1
      service.start()
    },
    kills: () => kills,
  }
}

/** Everything that PostgreSQL runs: backends, and the processes that write for them. */
async function childrenOf(postmaster: number): Promise<readonly number[]> {
  const { stdout } = await promisify(execFile)('ps', ['-A', '-o', 'pid=,ppid='])
  const rows = stdout.split('\n').map((line) => line.trim().split(/\s+/).map(Number))
  return rows.flatMap(([pid, parent]) => (pid && parent === postmaster ? pid : []))
}
