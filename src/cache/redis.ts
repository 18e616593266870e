import { channel } from 'node:diagnostics_channel'
import { setTimeout as sleep } from 'node:timers/promises'
import { connectRedis, findMaster } from './connection.ts'
import type { Connection, RedisPlace } from './connection.ts'
import { answerIn } from '../time.ts'
import { LEASE_MS } from './parts.ts'
import type { Copies, Epoch, Look, Place } from './parts.ts'
import type { Script } from './scripts.ts'

/** Publishes `{ event, why }` when that changes: `connected`, `lost`, `away`, `silent`. */
const redisChannel = channel('farthing:cache.redis')

/** A reader goes to the database then, and a lease is not renewed. */
const LOOK_MS = 50
/** A writer holds locks meanwhile. */
const RAISE_MS = 250
const FILL_MS = 1_000
/** After a look that was not answered in time, nobody looks for so long. */
const REST_MS = 1_000
const PROBE_MS = 1_000
const SENTINEL_EVERY = 5
const RETRY_MIN_MS = 250
const RETRY_MAX_MS = 5_000
/** So often in a row it has not told the time when leases are over, and nothing is read. */
const SILENCES = 5
/** Looks under way at once; above, the database answers as it would without. */
const LOOKS_MAX = 5_000
/** How long a claim keeps others from filling, when who has it never does. */
const CLAIM_MS = 10_000
/** A copy that nobody asks for any more leaves by itself. */
const COPY_MS = 3_600_000
const SWEEP_KEYS = 500
const SWEEP_PAUSE_MS = 20
const PREFIX = 'farthing:'

export type Redis = Readonly<{
  copies: Copies
  /** Tries once to connect, and goes on by itself from then on. Never throws. */
  start: () => Promise<void>
  stop: () => Promise<void>
}>

/** Redis as a process reaches it: one connection at a time, to one that was looked at. */
export function createRedis(place: RedisPlace): Redis {
  let connection: Connection | null = null
  let restUntil = 0
  let looks = 0
  const stopping = new AbortController()
  let loop: Promise<void> = Promise.resolve()
  let said = ''
  let silences = 0

  function say(event: string, why: string): void {
    if (`${event} ${why}` !== said) redisChannel.publish({ event, why })
    said = `${event} ${why}`
  }

  function drop(why: string): void {
    if (!connection) return
    connection.destroy()
    connection = null
    say('lost', why)
  }

  function usable(at: Place): Connection {
    if (connection && !connection.usable()) drop('the connection broke')
    if (connection?.reign !== at.reign) throw new Error('not connected to the Redis of this epoch')
    return connection
  }

  async function run(at: Place, script: Script, args: readonly string[], ms: number) {
    const one = usable(at)
    const prefix = `${PREFIX}${at.tag}:`
    try {
      return String(await answerIn(ms, one.run(script, [prefix, one.replid, ...args])))
    } catch (error) {
      // Whoever connects brings the scripts.
      if (isScriptUnknown(error) && connection === one) drop('its scripts were flushed')
      throw error
    }
  }

  async function look(at: Place, args: readonly string[]): Promise<Look> {
    if (performance.now() < restUntil || looks >= LOOKS_MAX) throw new Error('Redis has a rest')
    looks += 1
    try {
      const found = await run(at, 'look', args, LOOK_MS)
      if (isWord(found)) return { is: found }
      return { is: 'hit', value: found.slice(1) }
    } catch (error) {
      restUntil = performance.now() + REST_MS
      throw error
    } finally {
      looks -= 1
    }
  }

  const copies: Copies = {
    reign: () => (connection?.usable() ? connection.reign : null),
    now: async () => {
      const one = connection
      if (!one?.usable()) throw new Error('not connected to a Redis')
      const ms = await answerIn(LOOK_MS, one.now()).catch((error: unknown) => {
        silences += 1
        if (silences >= SILENCES && connection === one)
          say('silent', `it does not tell the time: ${messageOf(error)}`)
        throw error
      })
      if (silences >= SILENCES && connection === one) say('connected', '')
      silences = 0
      return { reign: one.reign, ms }
    },
    look: async (at, kind, user, token, unfit) => {
      const spans = [CLAIM_MS, at.sinceMs, LEASE_MS].map(String)
      const args = [kind, user, token, ...spans]
      return await look(at, unfit === null ? args : [...args, unfit])
    },
    fill: async (at, { kind, user, token, versions, value }) => {
      const { money, view } = versions
      const args = [kind, user, token, String(money), String(view), String(COPY_MS), value]
      return (await run(at, 'fill', args, FILL_MS)) as 'filled' | 'refused' | 'lost'
    },
    raise: async (at, floors) => {
      const args = floors.flatMap(({ user, money, view }) => [
        user,
        String(money ?? 0n),
        String(view ?? 0n),
      ])
      const answer = await run(at, 'raise', args, RAISE_MS)
      return answer === 'lost' ? 'lost' : Number(answer)
    },
    plant: async (at) => {
      const answer = await run(at, 'plant', [], FILL_MS)
      if (answer !== 'planted') throw new Error('this Redis is not the master any more')
    },
    sweep: async (current) => {
      const one = connection
      if (one) await sweep(one, current, stopping.signal)
    },
  }

  async function connect(): Promise<boolean> {
    try {
      connection = await connectRedis(place)
      restUntil = 0
      silences = 0
      say('connected', '')
      return true
    } catch (error) {
      say('away', messageOf(error))
      return false
    }
  }

  async function probe(round: number): Promise<void> {
    const one = connection
    if (!one) return
    try {
      await one.probe()
      if (place.sentinels.length > 0 && round % SENTINEL_EVERY === 0) await askSentinels(one)
    } catch (error) {
      if (connection === one) drop(messageOf(error))
    }
  }

  /** Whether the Sentinels have made another one the master, whom this process still reaches. */
  async function askSentinels(one: Connection): Promise<void> {
    const now = await findMaster(place).catch(() => one.url)
    if (now !== one.url && connection === one) drop('there is another master')
  }

  async function keepConnected(): Promise<void> {
    let pause = RETRY_MIN_MS
    for (let round = 1; !stopping.signal.aborted; round++) {
      const wait = connection?.usable() ? PROBE_MS : pause
      await sleep(wait, undefined, { signal: stopping.signal }).catch(() => undefined)
      if (stopping.signal.aborted) return
      if (connection?.usable()) {
        await probe(round)
        continue
      }
      drop('the connection broke')
      pause = (await connect()) ? RETRY_MIN_MS : Math.min(RETRY_MAX_MS, pause * 2)
    }
  }

  return {
    copies,
    start: async () => {
      await connect()
      loop = keepConnected()
    },
    stop: async () => {
      stopping.abort()
      await loop
      connection?.destroy()
      connection = null
    },
  }
}

type Word = Exclude<Look['is'], 'hit'>
const words: ReadonlySet<string> = new Set<Word>(['lost', 'claimed', 'taken', 'late'])
const isWord = (found: string): found is Word => words.has(found)

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function isScriptUnknown(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('NOSCRIPT')
}

/**
 * Takes away the keys of epochs that are over: those of another tag, whose number is not one that
 * is still to come. Whoever knows an old number takes away less, and never what is in use.
 */
async function sweep(
  connection: Connection,
  { number, tag }: Pick<Epoch, 'number' | 'tag'>,
  signal: AbortSignal,
): Promise<void> {
  let cursor = '0'
  do {
    const args = ['SCAN', cursor, 'MATCH', `${PREFIX}*`, 'COUNT', String(SWEEP_KEYS)]
    const [next, keys] = (await connection.command(args)) as [string, string[]]
    const over = keys.filter((key) => isOver(key, number, tag))
    if (over.length > 0) await connection.command(['UNLINK', ...over])
    cursor = next
    await sleep(SWEEP_PAUSE_MS, undefined, { signal })
  } while (cursor !== '0')
}

function isOver(key: string, number: bigint, tag: string): boolean {
  const other = key.split(':')[1] ?? ''
  const digits = /^\d+/.exec(other)?.[0]
  return digits !== undefined && other !== tag && BigInt(digits) <= number
}
