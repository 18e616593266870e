import { createClient } from '@redis/client'
import { answerIn } from '../time.ts'
import { sources } from './scripts.ts'
import type { Script } from './scripts.ts'

/** Where Redis is: an address, or what Sentinels call the master whose address they know. */
export type RedisPlace = Readonly<{
  /** With the user, password and number of the database, and `rediss:` for TLS. */
  url: string
  /** `host:port` of each; empty: the address is Redis' own. */
  sentinels: readonly string[]
  sentinelPassword: string | null
  /** Who signed the certificates of all of them, as PEM; null for whom Node trusts. */
  ca: string | null
}>

const CONNECT_MS = 1_000
const COMMANDS_MAX = 20_000

/** One connection to one Redis process that is fit. It is never opened again by itself. */
export type Connection = Readonly<{
  /** Where it is, as the Sentinels said if there are any. */
  url: string
  /** The process and its mastership: what it holds is whole for as long as this is so. */
  reign: string
  replid: string
  run: (script: Script, args: readonly string[]) => Promise<unknown>
  command: (args: readonly string[]) => Promise<unknown>
  /** What its clock says, in milliseconds since 1970. */
  now: () => Promise<number>
  /** Looks whether it still is what it was. @throws Error that says what is not right. */
  probe: () => Promise<void>
  usable: () => boolean
  destroy: () => void
}>

/** @throws Error when it cannot be reached, or is not fit: a word for operators says why. */
export async function connectRedis(place: RedisPlace): Promise<Connection> {
  const url = place.sentinels.length === 0 ? place.url : await findMaster(place)
  const client = openClient(url, place)
  try {
    await answerIn(CONNECT_MS, client.connect())
    const ask = async (args: readonly string[]): Promise<unknown> =>
      await client.sendCommand([...args])
    const { reign, replid } = identityOf(await readState(ask))
    const now = async (): Promise<number> => {
      const [seconds, micros] = (await ask(['TIME'])) as [string, string]
      return Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000)
    }
    const shas = new Map<string, string>()
    for (const [name, source] of Object.entries(sources)) {
      shas.set(name, String(await answerIn(CONNECT_MS, ask(['SCRIPT', 'LOAD', source]))))
    }
    return {
      url,
      reign,
      replid,
      run: async (script, args) => await ask(['EVALSHA', shas.get(script) ?? '', '0', ...args]),
      command: ask,
      now,
      probe: async () => {
        if (identityOf(await readState(ask)).reign !== reign)
          throw new Error('its mastership ended')
      },
      usable: () => client.isReady,
      destroy: () => destroy(client),
    }
  } catch (error) {
    destroy(client)
    throw error
  }
}

type Client = ReturnType<typeof openClient>

function openClient(url: string, { ca }: RedisPlace) {
  const client = createClient({
    url,
    RESP: 2,
    // A connection belongs to one process of Redis: none is opened in its place, and what was asked
    // on it is not asked again.
    socket: { connectTimeout: CONNECT_MS, reconnectStrategy: false, ...(ca !== null && { ca }) },
    disableOfflineQueue: true,
    commandsQueueMaxLength: COMMANDS_MAX,
  })
  client.on('error', () => undefined) // whoever waits for an answer is told
  return client
}

function destroy(client: Client): void {
  if (client.isOpen) client.destroy()
}

type State = ReadonlyMap<string, string>

async function readState(ask: Connection['command']): Promise<State> {
  const lines = String(await answerIn(CONNECT_MS, ask(['INFO']))).split('\r\n')
  return new Map(
    lines.flatMap((line) => {
      const colon = line.indexOf(':')
      return colon > 0 ? [[line.slice(0, colon), line.slice(colon + 1)]] : []
    }),
  )
}

function identityOf(state: State): Readonly<{ reign: string; replid: string }> {
  const unfit = unfitness(state)
  if (unfit !== null) throw new Error(unfit)
  const runId = state.get('run_id')
  const replid = state.get('master_replid')
  if (!runId || !replid) throw new Error('this Redis does not tell its run_id and master_replid')
  return { reign: `${runId}/${replid}`, replid }
}

/** Null for a Redis that keeps what it was told to keep. */
function unfitness(state: State): string | null {
  if (state.get('redis_mode') === 'cluster' || state.get('cluster_enabled') === '1') {
    return 'REDIS_URL is a Redis Cluster: give it a Redis that is none'
  }
  if (state.get('role') !== 'master') return 'this Redis is a replica'
  const policy = state.get('maxmemory_policy') ?? 'unknown'
  if (policy === 'noeviction' || policy.startsWith('volatile-')) return null
  return `maxmemory-policy is ${policy}, which may evict fences: set it to volatile-lru`
}

/** The master's address as the first Sentinel that answers knows it. */
export async function findMaster(place: RedisPlace): Promise<string> {
  const url = new URL(place.url)
  const name = decodeURIComponent(url.hostname)
  let why = 'none is named'
  for (const sentinel of place.sentinels) {
    const at = new URL(`${url.protocol}//${sentinel}`)
    if (place.sentinelPassword !== null) at.password = encodeURIComponent(place.sentinelPassword)
    const client = openClient(at.href, place)
    try {
      await answerIn(CONNECT_MS, client.connect())
      const asked = client.sendCommand(['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', name])
      const found = (await answerIn(CONNECT_MS, asked)) as unknown as [string, string] | null
      if (found === null) throw new Error('it knows no such name')
      const [host, port] = found
      url.hostname = host.includes(':') ? `[${host}]` : host
      url.port = port
      return url.href
    } catch (error) {
      // The next one may know.
      why = `${sentinel}: ${error instanceof Error ? error.message : String(error)}`
    } finally {
      destroy(client)
    }
  }
  throw new Error(`no Sentinel knows the master ${name}: ${why}`)
}
