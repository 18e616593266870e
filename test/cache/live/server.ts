import { randomInt, randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { parentPort, workerData } from 'node:worker_threads'
import { withCopies } from '../../../src/bin/cache/copies.ts'
import { openServerCache } from '../../../src/cache/cache.ts'
import type { RedisPlace } from '../../../src/cache/connection.ts'
import { connectLedger, openPool } from '../../../src/db/pool.ts'
import type { UserId } from '../../../src/ids/ids.ts'
import { createLedger } from '../../../src/ledger/ledger.ts'
import { money } from '../../../src/money.ts'
import type { Payments } from '../../../src/payments/asks.ts'
import type { PaymentParts } from '../../../src/payments/parts.ts'
import { createPayments } from '../../../src/payments/payments.ts'
import { createPassengers } from '../../../src/payments/ride/passengers.ts'
import { noRail } from '../../../src/rails/no-rail.ts'
import { systemClock } from '../../../src/time.ts'
import { hearCache } from '../kit/hear.ts'
import { noFence } from '../kit/no-fence.ts'
import { createHeard } from './heard.ts'
import { explain, insist } from './insist.ts'

/** A server as a thread: its own connections, its own cache, its own idea of the epoch. */
export type Server = Readonly<{
  url: string
  redis: RedisPlace
  fences: boolean
  /** Payers first: they only send, and the others only receive. */
  users: readonly UserId[]
  payers: number
  /** What each payer had. */
  start: bigint
  /** Whose names this one changes. */
  names: readonly number[]
  heard: SharedArrayBuffer
  digestKey: Uint8Array
}>

export type Told = Readonly<{
  reads: number
  payments: number
  failed: readonly string[]
  stale: readonly string[]
  counts: Readonly<Record<string, number>>
}>
export type Order = Readonly<{ stop: true } | { freezeMs: number } | { tell: true }>

/** So many at once that one turn of the thread asks Redis for all of them together. */
const READERS = 24
const PAYERS = 4
/** Without copies the database answers, which proves little: then nobody is in a hurry. */
const PACE_MS = 30
const PAY_PAUSE_MS = 400
const NAMES_PAUSE_MS = 200
const whole = { start: null, end: null } as const
const firstPage = { ...whole, limit: 25, cursor: null, status: null, kind: null } as const

const parts = workerData as Server
const { users, payers, start } = parts
const heard = createHeard(users.length, parts.heard)
const cacheHeard = hearCache()
const stale: string[] = []
const failed: string[] = []
const asked = new Map<string, number>()
let reads = 0
let payments = 0
let running = true
const isRunning = (): boolean => running

/** Where to begin is noted before, and what was found is compared with that. */
function compare(user: number, what: string, found: bigint, atLeast: bigint): void {
  if (found < atLeast) stale.push(`user ${user}: ${what} ${found} after ${atLeast} was heard`)
}

async function readUser(house: Payments, user: number): Promise<void> {
  const [moved, seen, name] = [
    heard.at(user, 'moved'),
    heard.at(user, 'seen'),
    heard.at(user, 'name'),
  ]
  const view = await house.ownUser(userOf(user), whole)
  const { balance } = view.wallet
  const now = user < payers ? start - balance : balance
  const number = BigInt(/^n(\d+)$/.exec(view.user.displayName)?.[1] ?? 0)
  compare(user, 'cents', now, moved > seen ? moved : seen)
  compare(user, 'name', number, name)
  heard.grow(user, 'seen', now)
  heard.grow(user, 'name', number)
}

async function readHistory(house: Payments, user: number): Promise<void> {
  const before = heard.at(user, 'at')
  const { data } = await house.listTransactions(userOf(user), firstPage)
  const newest = data[0]?.transactionDate ?? 0n
  compare(user, 'history', newest, before)
  heard.grow(user, 'at', newest)
}

const again =
  (what: string) =>
  (why: string): void => {
    const name = `again, ${what}: ${why}`
    asked.set(name, (asked.get(name) ?? 0) + 1)
  }

function userOf(index: number): UserId {
  const user = users[index]
  if (user === undefined) throw new Error('there is no such user')
  return user
}

async function keepReading(house: Payments): Promise<void> {
  while (isRunning()) {
    const user = randomInt(users.length)
    const read = randomInt(3) === 0 ? readHistory : readUser
    const failures = cacheHeard.count('failed')
    try {
      await insist(async () => await read(house, user), again('read'))
      reads += 1
    } catch (error) {
      failed.push(`read: ${explain(error)}`)
    }
    const copies = cacheHeard.state() === 'on' && cacheHeard.count('failed') === failures
    if (!copies) await sleep(randomInt(2 * PACE_MS))
  }
}

async function keepPaying(house: Payments): Promise<void> {
  while (isRunning()) {
    const [from, to] = [randomInt(payers), randomInt(payers, users.length)]
    const ask = {
      from: { kind: 'user', id: userOf(from) },
      to: { kind: 'user', id: userOf(to) },
      amount: money(1n),
      note: null,
      transactionDate: null,
    } as const
    const key = randomUUID()
    try {
      const { value } = await insist(
        async () => await house.moveMoney(userOf(from), ask, key, { fresh: true }),
        again('payment'),
      )
      if (value.status !== 'accepted') throw new Error(`a payment is ${value.status}`)
      heard.add(from, 'moved', 1n)
      heard.add(to, 'moved', 1n)
      heard.grow(from, 'at', value.transactionDate)
      heard.grow(to, 'at', value.transactionDate)
      payments += 1
    } catch (error) {
      failed.push(`payment: ${explain(error)}`)
    }
    await sleep(randomInt(2 * PAY_PAUSE_MS))
  }
}

async function keepRenaming(house: Payments): Promise<void> {
  for (let number = 1; isRunning() && parts.names.length > 0; number++) {
    const user = parts.names[number % parts.names.length] ?? 0
    const key = randomUUID()
    try {
      const patch = { displayName: `n${number}` }
      await insist(
        async () => await house.changeProfile(userOf(user), patch, key, { fresh: true }),
        again('name'),
      )
      heard.grow(user, 'name', BigInt(number))
    } catch (error) {
      failed.push(`name: ${explain(error)}`)
    }
    await sleep(randomInt(2 * NAMES_PAUSE_MS))
  }
}

function tell(): void {
  const counts = { ...cacheHeard.counts(), ...Object.fromEntries(asked) }
  const told: Told = { reads, payments, failed, stale, counts }
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
  parentPort?.postMessage(told)
}

const { url, digestKey } = parts
const clock = systemClock
const pool = openPool({ url, max: 6, statementTimeoutMs: 10_000, applicationName: 'live' })
const pace = { offMinMs: 200, offMaxMs: 200 }
const cache = openServerCache({ url, redis: parts.redis, pace }, pool)
const fence = parts.fences ? cache.fence : noFence
const settings = { url, statementTimeoutMs: 5_000, lockTimeoutMs: 4_000 }
const ledger = createLedger({
  connect: async () => await connectLedger({ ...settings, applicationName: 'live ledger' }),
  passengers: createPassengers(null),
  fence,
  clock,
  lanes: 2,
})
const paymentParts: PaymentParts = {
  pool,
  ledger,
  fence,
  clock,
  rail: noRail,
  banks: { sealKeys: new Map(), digestKey, routingRanges: 'any', pairsPerNumber: null },
  digestKey,
  limits: null,
  verificationThreshold: money(50_000n),
  stepUpThreshold: money(100_000n),
  noteFrozen: async () => await Promise.resolve(),
}
await cache.start()
const house = withCopies(createPayments(paymentParts), paymentParts, cache.read)

parentPort?.on('message', (order: Order) => {
  if ('freezeMs' in order) {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, order.freezeMs)
  }
  if ('tell' in order) tell()
  if ('stop' in order) running = false
})
tell()
await Promise.all([
  ...Array.from({ length: READERS }, async () => await keepReading(house)),
  ...Array.from({ length: PAYERS }, async () => await keepPaying(house)),
  keepRenaming(house),
])
await ledger.close()
await cache.stop()
await pool.end()
tell()
parentPort?.close()
