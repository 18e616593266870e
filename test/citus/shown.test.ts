import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, afterEach, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { CLOCKS_APART, endTickets, OWN_TICKET_LIVES } from '../../src/auth/tickets/own.ts'
import { insertOnlyTicket } from '../../src/auth/tickets/store.ts'
import { watchCommits } from '../../src/db/citus/recovery.ts'
import { inTransaction } from '../../src/db/tx.ts'
import { AppError } from '../../src/errors.ts'
import { customerOf } from '../../src/payments/customer.ts'
import { after as later, systemClock } from '../../src/time.ts'
import { lockUser, raiseView } from '../../src/users/store.ts'
import { calm, type Fault, type Proxy } from '../chaos/kit/proxy.ts'
import { noCitus } from '../kit/citus/cluster.ts'
import { here as atHome } from '../kit/auth.ts'
import { until } from '../kit/until.ts'
import { startWorld, type World } from '../kit/world.ts'
import { type Cluster, finishAll, openCluster, proxySecond, SECOND_PHASE } from './kit.ts'

const here = { skip: noCitus }
const SOON_MS = 1_000
const MOMENT_MS = 200

let world: World
let cluster: Cluster
/** Stands between the coordinator and its second worker. */
let proxy: Proxy
let phones = 2_000_000

before(async () => {
  if (noCitus !== false) return
  world = await startWorld()
  cluster = await openCluster(world.url)
  proxy = await proxySecond(cluster)
})
afterEach(async () => {
  if (noCitus !== false) return
  proxy.plan(calm)
  proxy.release()
  await finishAll(world.pool)
})
after(async () => {
  if (noCitus !== false) return
  await cluster.close()
  await world.end()
  await proxy.close()
})

function everySecondPhase(fault: Fault): void {
  proxy.plan({ ...calm, statement: SECOND_PHASE, commit: () => fault })
}

test('who signs up hears their codes, however late a worker shows them', here, async () => {
  everySecondPhase('stall-before')
  const people = Promise.all(Array.from({ length: 6 }, async () => await world.person()))
  await until('second phases are held', () => proxy.silent() > 0)
  await sleep(SOON_MS)
  proxy.plan(calm)
  proxy.release()
  assert.equal(new Set(await people).size, 6)
})

const passing = ['outcome_unknown', 'database_unavailable', 'request_in_progress', 'overloaded']

/** What is asked again until it is answered, as clients do. */
async function untilAnswered<T>(ask: () => Promise<T>): Promise<T> {
  return await until('an answer', async () => {
    try {
      return await ask()
    } catch (error) {
      if (error instanceof AppError && passing.includes(error.code)) return null
      throw error
    }
  })
}

/** Does it while every second phase of the second worker is lost, and what follows at once. */
async function leaveAndGoOn<T>(leave: () => Promise<unknown>, goOn: () => Promise<T>): Promise<T> {
  const faults = proxy.faults()
  everySecondPhase('cut-before')
  await leave()
  assert(proxy.faults() > faults, 'commits are left between their phases')
  proxy.plan(calm)
  const going = goOn()
  const finishing = (async () => {
    await sleep(SOON_MS)
    const watch = watchCommits(world.pool)
    await going.catch(() => undefined)
    await watch.stop()
  })()
  const [answer] = await Promise.all([going, finishing])
  return answer
}

const signUps = (name: string, many: number) =>
  Array.from({ length: many }, (_, n) => {
    const ask = {
      email: `${name}${n}@example.com`,
      phoneNumber: `+1415${String(++phones)}`,
      password: 'a long pass phrase',
      displayName: null,
      handle: null,
    }
    return async () => await world.auth.layer.signUp(ask, `sign-up-${name}-${n}`, atHome)
  })

test('a sign-up that a crash left between its phases is found by its key', here, async () => {
  const asks = signUps('left', 24)
  const users = await leaveAndGoOn(
    async () => await Promise.allSettled(asks.map(async (ask) => await ask())),
    async () => await Promise.all(asks.map(untilAnswered)),
  )
  assert.equal(new Set(users.map(({ userId }) => userId)).size, 24)
  const again = await Promise.all(asks.map(async (ask) => await ask()))
  assert.deepEqual(
    again,
    users.map(({ userId }) => ({ userId, replayed: true })),
  )
})

test('a name whose taking was left between its phases is given up all the same', here, async () => {
  const users = await Promise.all(signUps('renames', 24).map(untilAnswered))
  const rename = (to: string) =>
    users.map(({ userId }, n) => async () => {
      const patch = { handle: `${to}_${n}` }
      await world.payments.changeProfile(userId, patch, `to-${to}`, { fresh: true })
      return true
    })
  await leaveAndGoOn(
    async () => await Promise.allSettled(rename('second').map(async (change) => await change())),
    async () => await Promise.all(rename('third').map(untilAnswered)),
  )
  await finishAll(world.pool)
  const { rows } = await world.pool.query<{ value: string }>(
    `select value from login_name where value ~ '_[0-9]+$' order by value`,
  )
  const wanted = users.map((_, n) => `third_${n}`)
  assert.deepEqual(rows.map(({ value }) => value).sort(), wanted.sort())
})

test('a link that was left between its phases is ended all the same', here, async () => {
  const users = await Promise.all(signUps('tickets', 24).map(untilAnswered))
  const purpose = 'password-reset'
  const hand = users.map(({ userId }) => async () => {
    const expiresAt = later(systemClock.now(), OWN_TICKET_LIVES)
    const digest = randomBytes(32)
    await inTransaction(
      world.pool,
      async (tx) => {
        await lockUser(tx, userId)
        await insertOnlyTicket(tx, { digest, purpose, userId, expiresAt })
        await raiseView(tx, userId)
      },
      { lockTimeoutMs: SOON_MS },
    )
  })
  const end = users.map(({ userId }) => async () => {
    await inTransaction(
      world.pool,
      async (tx) => {
        await lockUser(tx, userId)
        const sentBefore = later(systemClock.now(), CLOCKS_APART)
        await endTickets(tx, { userId, purpose, sentBefore })
      },
      { lockTimeoutMs: SOON_MS },
    )
    return true
  })
  await leaveAndGoOn(
    async () => await Promise.allSettled(hand.map(async (give) => await give())),
    async () => await Promise.all(end.map(untilAnswered)),
  )
  await finishAll(world.pool)
  await until('no link is left, and no job that ends one', async () => {
    const { rows } = await world.pool.query(
      `select (select count(*) from auth_ticket where purpose = $1) as links,
              (select count(*) from graphile_worker.jobs) as jobs`,
      [purpose],
    )
    return rows[0]?.['links'] === 0n && rows[0]['jobs'] === 0n
  })
})

test('an outsider is found again while a worker does not show them yet', here, async () => {
  let held = 0
  for (let n = 0; n < 12; n++) {
    const outsider = { issuer: 'https://id.example', subject: `${n}`, name: null, email: null }
    const arrive = async () =>
      await untilAnswered(async () => await customerOf(world.parts, outsider))
    everySecondPhase('stall-before')
    let answered = false
    const first = arrive().finally(() => (answered = true))
    const second = (async () => {
      await until('it is held, or need not be', () => answered || proxy.silent() > 0)
      await sleep(MOMENT_MS) // the other worker commits
      return await arrive()
    })()
    const both = Promise.all([first, second])
    await Promise.race([both, sleep(3 * MOMENT_MS)])
    if (proxy.silent() > 0) held += 1
    proxy.plan(calm)
    proxy.release()
    const [one, other] = await both
    assert.equal(other, one)
  }
  assert(held > 0, 'some lie on the slow worker')
})
