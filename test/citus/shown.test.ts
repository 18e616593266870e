import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { finishCommits, watchCommits } from '../../src/db/citus/recovery.ts'
import { areFinished } from '../../src/db/citus/shown.ts'
import { AppError } from '../../src/errors.ts'
import { customerOf } from '../../src/payments/customer.ts'
import { calm, type Fault, type Proxy } from '../chaos/kit/proxy.ts'
import { noCitus } from '../kit/citus/cluster.ts'
import { here as atHome } from '../kit/auth.ts'
import { until } from '../kit/until.ts'
import { startWorld, type World } from '../kit/world.ts'
import { type Cluster, openCluster, proxySecond, SECOND_PHASE } from './kit.ts'

const here = { skip: noCitus }
const SOON_MS = 1_000
const MOMENT_MS = 200

let world: World
let cluster: Cluster
/** Stands between the coordinator and its second worker. */
let proxy: Proxy

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
  await until('no commit is left', async () => {
    await finishCommits(world.pool)
    return await areFinished(world.pool, SOON_MS)
  })
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

test('a sign-up that a crash left between its phases is found by its key', here, async () => {
  everySecondPhase('cut-before')
  const signUps = Array.from({ length: 24 }, (_, n) => async () => {
    const ask = {
      email: `left${n}@example.com`,
      phoneNumber: `+141520000${String(n).padStart(2, '0')}`,
      password: 'a long pass phrase',
      displayName: null,
      handle: null,
    }
    return await world.auth.layer.signUp(ask, `sign-up-${n}`, atHome)
  })
  const first = Promise.all(signUps.map(untilAnswered))
  await until('commits are left', () => proxy.faults() > 5)
  await sleep(3 * SOON_MS)
  proxy.plan(calm)
  const watch = watchCommits(world.pool)
  const users = await first
  await watch.stop()
  assert.equal(new Set(users.map(({ userId }) => userId)).size, 24)
  const again = await Promise.all(signUps.map(async (signUp) => await signUp()))
  assert.deepEqual(
    again,
    users.map(({ userId }) => ({ userId, replayed: true })),
  )
})

test('an outsider is found again while a worker does not show them yet', here, async () => {
  for (let n = 0; n < 12; n++) {
    const outsider = { issuer: 'https://id.example', subject: `${n}`, name: null, email: null }
    const arrive = async () =>
      await untilAnswered(async () => await customerOf(world.parts, outsider))
    everySecondPhase('stall-before')
    const first = arrive()
    await Promise.race([first, until('it is held', () => proxy.silent() > 0)])
    await sleep(MOMENT_MS) // the other worker commits
    const second = arrive()
    await Promise.race([second, sleep(MOMENT_MS)])
    proxy.plan(calm)
    proxy.release()
    assert.equal(await second, await first)
  }
})
