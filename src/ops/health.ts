import { setTimeout as sleep } from 'node:timers/promises'

/** Fails, or never comes back, when what it looks at is not well. */
export type Check = () => Promise<unknown>

/** By name: `ok`, or a word that tells operators where to look. */
export type Readiness = Readonly<{
  ready: boolean
  checks: Readonly<Record<string, string>>
  /** Where servers share a port: how many there should be, and how many take traffic. */
  servers?: Readonly<{ wanted: number; ready: number }>
}>

export type Health = Readonly<{
  /** Whether this process may take traffic. Never fails, and answers within 2 s. */
  readiness: () => Promise<Readiness>
  /** From now on it may not: balancers send their traffic elsewhere. */
  stop: () => void
}>

const CHECK_TIMEOUT_MS = 2_000
/** However many balancers ask, the database is asked no more often. */
const CACHED_MS = 500

/**
 * Looks after the parts that a request cannot do without, such as the database.
 *
 * @param checks What to look at, by the name that operators read.
 */
export function createHealth(checks: Readonly<Record<string, Check>>): Health {
  let stopping = false
  let latest: Promise<Readonly<Record<string, string>>> | null = null
  let latestAt = 0

  function look(): Promise<Readonly<Record<string, string>>> {
    const now = performance.now()
    if (!latest || now - latestAt > CACHED_MS) {
      latest = lookAtAll(checks)
      latestAt = now
    }
    return latest
  }

  return {
    readiness: async () => {
      const found = await look()
      const states = stopping ? { ...found, process: 'stopping' } : found
      return { ready: Object.values(states).every((state) => state === 'ok'), checks: states }
    },
    stop: () => {
      stopping = true
    },
  }
}

async function lookAtAll(
  checks: Readonly<Record<string, Check>>,
): Promise<Readonly<Record<string, string>>> {
  const states = Object.entries(checks).map(async ([name, check]) => [name, await stateOf(check)])
  return Object.fromEntries(await Promise.all(states)) as Record<string, string>
}

async function stateOf(check: Check): Promise<string> {
  const waiting = new AbortController()
  const late = sleep(CHECK_TIMEOUT_MS, 'no answer', { signal: waiting.signal, ref: false })
  try {
    return await Promise.race([check().then(() => 'ok'), late])
  } catch (error) {
    // Only the kind of error: its text may name hosts and users, and this page is open to all.
    return error instanceof Error ? codeOf(error) : 'failed'
  } finally {
    waiting.abort()
    late.catch(() => undefined) // it was told to end
  }
}

function codeOf(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : 'failed'
}
