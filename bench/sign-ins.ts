import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { createPasswords } from '../src/auth/directories/passwords.ts'
import { uuidArray } from '../src/db/arrays.ts'
import type { Pool } from '../src/db/pool.ts'
import type { UserId } from '../src/ids/ids.ts'
import { auditAll } from './audits.ts'
import { fillPeople } from './books.ts'
import { startChild } from './load/child.ts'
import type { Clients } from './load/clients.ts'
import type { Door } from './load/connection.ts'
import { quantile } from './samples.ts'
import type { Sample } from './samples.ts'
import { startServer } from './server.ts'
import { startWorld } from './world.ts'
import type { World } from './world.ts'

const PEOPLE = 2_000
const SIGNERS = 200
const CONNECTIONS = 32
const ROUNDS = 7
const SECONDS = 5
const PASSWORD = 'a long pass phrase of ours'

export type SignInRound = Readonly<{
  /** Payments in a second, without and beside the sign-ins. */
  alone: number
  beside: number
  p99Alone: number
  p99Beside: number
  signIns: number
  toldToWait: number
}>

/**
 * How much 200 sign-ins at once slow payments down. Rounds without and with them take turns in one
 * run, so that what slows the machine down slows both.
 */
export async function measureSignIns(say: (line: string) => void): Promise<readonly SignInRound[]> {
  const world = await startWorld()
  try {
    const { pool, url } = world.house
    const people = await fillPeople(pool, PEOPLE)
    await givePassword(pool, people.slice(0, SIGNERS))
    const server = await startServer({ url, dir: world.dir })
    try {
      const customers = await server.signIn(people)
      const clients = await startChild<Clients>('clients.ts', { doors: [server.door], customers })
      const pay = async (seconds: number): Promise<Sample> =>
        await clients.ask({ what: 'payment', connections: CONNECTIONS, ms: seconds * 1_000 })
      await pay(2)
      const rounds: SignInRound[] = []
      while (rounds.length < ROUNDS) {
        const found = await measureRound(world, server.door, pay)
        rounds.push(found)
        say(`${found.alone.toFixed(0)}/s alone, ${found.beside.toFixed(0)}/s beside sign-ins`)
      }
      await clients.stop()
      return rounds
    } finally {
      await server.stop()
    }
  } finally {
    const wrong = (await auditAll(world, () => undefined)).filter(({ offences }) => offences.length)
    await world.stop()
    assert.deepEqual(wrong, [])
  }
}

async function measureRound(
  world: World,
  door: Door,
  pay: (seconds: number) => Promise<Sample>,
): Promise<SignInRound> {
  const alone = await measured(world, pay)
  const crowd = startCrowd(door)
  const beside = await measured(world, pay)
  const { done, refused } = await crowd.stop()
  return {
    alone: alone.perSecond,
    beside: beside.perSecond,
    p99Alone: alone.p99,
    p99Beside: beside.p99,
    signIns: done,
    toldToWait: refused,
  }
}

async function measured(world: World, pay: (seconds: number) => Promise<Sample>) {
  await world.settle()
  const { count, seconds, latenciesMs } = await pay(SECONDS)
  return { perSecond: count / seconds, p99: quantile(latenciesMs, 0.99) }
}

/** One hash for all: what is measured is the check, which costs as much for each. */
async function givePassword(pool: Pool, people: readonly UserId[]): Promise<void> {
  const phc = await createPasswords(
    { memoryKiB: 19_456, passes: 2, parallelism: 1 },
    { atOnce: 1, rests: 0 },
  ).hash(PASSWORD)
  await pool.query(
    `insert into credential (user_id, phc, changed_at)
     select user_id, $2, now() from unnest($1::uuid[]) as p (user_id)`,
    [uuidArray(people), phc],
  )
}

/** Two hundred who each sign in again and again, and wait when they are told to. */
function startCrowd({ host, port }: Door) {
  const state = { going: true, done: 0, refused: 0 }
  const loops = Array.from({ length: SIGNERS }, async (_, index) => {
    while (state.going) {
      const answer = await fetch(`http://${host}:${port}/v1/session`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ login: `bench${index + 1}`, password: PASSWORD }),
      })
      await answer.arrayBuffer()
      if (answer.status === 200) state.done += 1
      else {
        assert.equal(answer.status, 429)
        state.refused += 1
        await sleep(Number(answer.headers.get('retry-after')) * 1_000)
      }
    }
  })
  return {
    stop: async () => {
      state.going = false
      await Promise.all(loops)
      return state
    },
  }
}
