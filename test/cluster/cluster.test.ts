import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { getPriority } from 'node:os'
import { after, test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { setTimeout as sleep } from 'node:timers/promises'
import { allRunningIn } from '../../src/bin/cluster/processes/process.ts'
import { ports } from '../../src/bin/cluster/places.ts'
import type { Sights } from '../../src/bin/cluster/status/sights.ts'
import { ask, fund, readBalance, signUp, tryAsk, tryMove } from '../chaos/kit/caller.ts'
import type { Caller } from '../chaos/kit/caller.ts'
import { signalProcess } from '../chaos/kit/farthing.ts'
import { isAgain } from '../chaos/kit/insist.ts'
import { component } from '../kit/components.ts'
import { until } from '../kit/until.ts'
import { newCluster } from './kit/cluster.ts'

/**
 * Goal: the whole picture comes up by one command, keeps what it accepted when its primary is
 * killed, moves money with one standby and none without, and leaves nothing behind.
 * Method: real balancers, databases and servers on loopback addresses of this test's own.
 */
const { missing } = component('cluster')
const skip = missing ?? false
const cluster = newCluster()
let ada: Caller
let bob: Caller
let paid = 0n

after(async () => {
  await cluster.run('down')
})

test('up brings all of it, and says where it is', { skip, timeout: 240_000 }, async () => {
  const { code, output } = await cluster.run('up')
  assert.equal(code, 0, output)
  const sights = await cluster.status()
  const wrong = sights.seen.filter(({ condition }) => condition !== 'up')
  assert.deepEqual(wrong, [])
  await until('all three are in step', async () => inStep(await cluster.status()))
  assert.equal(sights.seen.length, 21)
  assert(listening().length > 20, 'they listen in a network of their own')
  assert.deepEqual([sights.writes, sights.reads, sights.supervised], [true, true, true])
  const { output: picture } = await cluster.run('status')
  for (const { place } of sights.seen) assert.match(picture, new RegExp(place.address))
  const widest = Math.max(...picture.split('\n').map((line) => Array.from(line).length))
  assert(widest <= 80, `${widest} columns`)
  const again = await cluster.run('up')
  assert.equal(again.code, 0, again.output)
})

test('balancers and those that elect go before all others', { skip }, async () => {
  const first = ['balancer', 'etcd', 'sentinel']
  const { seen } = await cluster.status()
  for (const { place, pid } of seen) {
    const expected = first.includes(place.kind) ? -10 : 0
    assert.equal(niceness(pid ?? Number.NaN), expected, place.name)
  }
})

/** Of its session, where each has a share of the processors of its own. */
function niceness(pid: number): number {
  const session = `/proc/${pid}/autogroup`
  if (!existsSync(session)) return getPriority(pid)
  return Number(/nice (-?\d+)/.exec(readFileSync(session, 'utf8'))?.[1])
}

test(
  'people sign up and pay through both balancers, in turn at all servers',
  { skip },
  async () => {
    const [one = '', other = ''] = cluster.apis
    ada = await signUp(one)
    bob = await signUp(other)
    await fund(one, ada, 10_000n)
    for (let times = 0; times < 4; times += 1) {
      for (const api of cluster.apis) await pay(api, 100n)
    }
    assert.equal(await readBalance(other, bob), paid)
    const served = await Promise.all(
      cluster.places.server.map(async ({ address }) => {
        return await requestsAt(address)
      }),
    )
    assert(
      served.every((count) => count > 0),
      `some server was asked nothing: ${served.join(', ')}`,
    )
  },
)

test('a token that is not ours never gets past the balancer', { skip }, async () => {
  const [head, body] = ada.token.split('.')
  const forged = `${head}.${body}.${Buffer.alloc(64, 7).toString('base64url')}`
  const none = Buffer.from('{"alg":"none","typ":"at+jwt"}').toString('base64url')
  const served = await Promise.all(cluster.places.server.map(({ address }) => requestsAt(address)))
  for (const token of [forged, `${none}.${body}.`, 'nonsense']) {
    for (const api of cluster.apis) {
      const path = `/v1/user/${ada.name}`
      const { status, headers, body } = await ask(api, { method: 'GET', path, token })
      assert.equal(status, 401)
      assert.equal(headers.get('content-type'), 'application/problem+json')
      assert.equal(body['code'], 'token_invalid')
      assert.equal(body['requestId'], headers.get('request-id'))
      assert.match(headers.get('www-authenticate') ?? '', /error="invalid_token"/)
    }
  }
  const later = await Promise.all(cluster.places.server.map(({ address }) => requestsAt(address)))
  assert.deepEqual(later, served, 'a server heard of it')
  // What is right, is let through; what is behind the balancer checks by itself.
  const [server] = cluster.places.server
  const direct = await ask(`http://${server?.address}:${ports.api}`, {
    method: 'GET',
    path: `/v1/user/${ada.name}`,
    token: forged,
  })
  assert.equal(direct.status, 401)
  const outside = `http://${cluster.places.balancer[0]?.address}:${ports.auth}/back/sign-in`
  assert.equal((await fetch(outside, { method: 'POST' })).status, 404)
})

test(
  'a killed primary loses nothing, and writes are back',
  { skip, timeout: 120_000 },
  async (t) => {
    const primary = nameOf(await cluster.status(), 'primary')
    await pay(cluster.apis[0] ?? '', 100n)
    for (const pid of await cluster.pidsOf(primary)) signalProcess(pid, 'SIGKILL')
    const begun = performance.now()
    await pay(cluster.apis[1] ?? '', 100n)
    t.diagnostic(`writes were back after ${((performance.now() - begun) / 1_000).toFixed(1)} s`)
    assert.equal(
      await readBalance(cluster.apis[0] ?? '', bob),
      paid,
      'all that was accepted is there',
    )
    await until('all three are in step again', async () => inStep(await cluster.status()))
  },
)

test('a standby that is silent holds money up until it is left out', { skip }, async () => {
  const silent = nameOf(await cluster.status(), 'synchronous standby')
  const pids = await cluster.pidsOf(silent)
  for (const pid of pids) signalProcess(pid, 'SIGSTOP')
  try {
    const writes = async (): Promise<boolean> => (await cluster.status()).writes
    await until('the picture says that money does not move', async () => !(await writes()))
    await until('it is left out', writes)
    await pay(cluster.apis[0] ?? '', 100n)
  } finally {
    for (const pid of pids) signalProcess(pid, 'SIGCONT')
  }
  await until('all three are in step again', async () => inStep(await cluster.status()))
})

test('with one standby money moves, with none it stops', { skip, timeout: 180_000 }, async () => {
  const { seen } = await cluster.status()
  const standbys = seen
    .filter(({ role }) => role?.endsWith('standby'))
    .map(({ place }) => place.name)
  const [first = '', second = ''] = standbys
  await cluster.ask({ do: 'stop', names: [first] })
  await pay(cluster.apis[0] ?? '', 100n)
  await cluster.ask({ do: 'stop', names: [second] })
  const stopped = await cluster.status()
  assert.deepEqual([stopped.writes, stopped.reads], [false, true])
  const key = randomUUID()
  await until('a payment is refused for now', async () => {
    const answer = await ask(cluster.apis[0] ?? '', asPayment(key))
    assert.notEqual(answer.body['status'], 'accepted')
    const refused = [429, 503].includes(answer.status)
    if (refused) assert.match(answer.headers.get('retry-after') ?? '', /^\d+$/)
    return refused
  })
  for (const api of cluster.apis) assert.equal(await readBalance(api, bob), paid)
  await cluster.run('start', first)
  await until('writes go on', async () => (await cluster.status()).writes)
  // The same key: whatever became of it, it happens once.
  await until('the payment that was refused is made', async () => {
    const answer = await tryAsk(cluster.apis[1] ?? '', asPayment(key))
    return !isAgain(answer) && answer.body['status'] === 'accepted'
  })
  paid += 100n
  await pay(cluster.apis[0] ?? '', 100n)
  assert.equal(await readBalance(cluster.apis[1] ?? '', bob), paid)
  await cluster.ask({ do: 'start', names: [second] })
})

test(
  'what dies is started again, and the books are right',
  { skip, timeout: 120_000 },
  async () => {
    const names = [
      'balancer-1',
      'server-1',
      'worker-1',
      'auth-1',
      'redis-2',
      'sentinel-1',
      'etcd-1',
    ]
    const sights = await cluster.status()
    for (const name of names) signalProcess(pidOf(sights, name), 'SIGKILL')
    await until('all are up, and others than before', async () => {
      const now = await cluster.status()
      const up = now.seen.every(({ condition }) => condition === 'up')
      return up && names.every((name) => pidOf(now, name) !== pidOf(sights, name))
    })
    await pay(cluster.apis[0] ?? '', 100n)
    const { code, output } = await cluster.farthing('audit')
    assert.equal(code, 0, output)
  },
)

test(
  'a back-up can be restored to a moment, with books that are right',
  { skip, timeout: 240_000 },
  async () => {
    const backup = await cluster.run('backup')
    assert.equal(backup.code, 0, backup.output)
    // pgBackRest knows by the second when a back-up ended, and needs one that ended before.
    await sleep(2_000)
    const before = new Date().toISOString()
    await pay(cluster.apis[0] ?? '', 100n)
    const moment = new Date().toISOString()
    await pay(cluster.apis[1] ?? '', 100n)
    const { code, output } = await cluster.run('drill', moment)
    assert.equal(code, 0, output)
    assert.match(output, /The books are right/)
    const last = /transactions, the last at (\S+)/.exec(output)?.[1] ?? assert.fail(output)
    assert(before < last && last < moment, `${before} < ${last} < ${moment}`)
  },
)

test('down leaves nothing, also without a supervisor', { skip, timeout: 120_000 }, async () => {
  const pids = JSON.parse(readFileSync(`${cluster.dir}/run/pids.json`, 'utf8')) as {
    supervisor: { pid: number }
  }
  process.kill(pids.supervisor.pid, 'SIGKILL')
  const { code, output } = await cluster.run('down')
  assert.equal(code, 0, output)
  assert.deepEqual(allRunningIn(cluster.dir), [])
  assert(!existsSync(cluster.dir))
  assert.deepEqual(listening(), [])
  assert.deepEqual(
    readdirSync('/tmp').filter((name) => cluster.dir.endsWith(name)),
    [],
  )
})

/** From Ada to Bob, until it is accepted. */
async function pay(api: string, cents: bigint): Promise<void> {
  const key = randomUUID()
  const move = { kind: 'payment', caller: ada, payee: bob.name, cents, key } as const
  await until('a payment is accepted', async () => {
    const heard = await tryMove(api, move, performance.now())
    if (isAgain(heard)) {
      await sleep(100)
      return false
    }
    assert.equal(heard.answer?.status, 'accepted')
    return true
  })
  paid += cents
}

function asPayment(key: string) {
  const body = { fromId: ada.name, toId: bob.name, amount: 1 }
  return { method: 'POST', path: '/v1/transaction', body, key, token: ada.token } as const
}

/** Commits wait for one standby, and another one follows. */
function inStep({ seen }: Sights): boolean {
  const up = seen.filter(({ place, condition }) => place.kind === 'postgres' && condition === 'up')
  const roles = up.map(({ role }) => String(role)).toSorted((a, b) => a.localeCompare(b))
  return isDeepStrictEqual(roles, ['primary', 'standby', 'synchronous standby'])
}

function pidOf({ seen }: Sights, name: string): number {
  return seen.find(({ place }) => place.name === name)?.pid ?? assert.fail(`${name} does not run`)
}

function nameOf({ seen }: Sights, role: string): string {
  return seen.find((sight) => sight.role === role)?.place.name ?? assert.fail(`there is no ${role}`)
}

/** How many requests of customers a server has answered. */
async function requestsAt(address: string): Promise<number> {
  const text = await (await fetch(`http://${address}:${ports.ops}/metrics`)).text()
  const lines = text.split('\n').filter((line) => {
    return line.startsWith('farthing_http_request_seconds_count') && line.includes('/v1/')
  })
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
}

/** What is listened on in the cluster's network. The kernel writes addresses backwards, in hex. */
function listening(): readonly string[] {
  const rows = readFileSync('/proc/net/tcp', 'utf8').trim().split('\n').slice(1)
  const columns = rows.map((row) => row.trim().split(/\s+/))
  const open = columns.filter(([, , , state]) => state === '0A').map(([, local = '']) => local)
  const bytes = cluster.net.split('.').map((byte) => Number(byte).toString(16).padStart(2, '0'))
  const ours = bytes.reverse().join('').toUpperCase()
  return open.filter((local) => local.slice(2, 8) === ours)
}
