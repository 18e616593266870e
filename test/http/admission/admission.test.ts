import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { connect } from 'node:net'
import { afterEach, beforeEach, test } from 'node:test'
import { createAdmission } from '../../../src/http/admission/admission.ts'
import { kinds } from '../../../src/http/admission/kinds.ts'
import type { Kind } from '../../../src/http/admission/kinds.ts'
import { AppError } from '../../../src/errors.ts'
import type { HttpParts } from '../../../src/http/parts.ts'
import { pipeline, printRequest } from '../../chaos/kit/pipeline.ts'
import type { Ask } from '../../chaos/kit/caller.ts'
import { until } from '../../kit/until.ts'
import { openDoor } from '../door.ts'
import type { Door } from '../door.ts'

/** As many as a server at rest works on, and as many as it lets wait, with those. */
const INSIDE = 64
const CROWD = 400

let held: PromiseWithResolvers<never>
/** Every flow waits until the test lets all of them go. */
const payments = new Proxy({}, { get: () => async () => await held.promise })
let admission: ReturnType<typeof createAdmission>
let door: Door
let api: string
beforeEach(async () => {
  admission = createAdmission()
  door = await openDoor({ admission, quotas: null, payments: payments as HttpParts['payments'] })
  await door.app.listen({ port: 0, host: '127.0.0.1' })
  api = `http://127.0.0.1:${(door.app.server.address() as AddressInfo).port}`
  hold()
})
afterEach(async () => await door.app.close())

function hold(): void {
  held = Promise.withResolvers()
  held.promise.catch(() => undefined)
}

function letGo(): void {
  held.reject(new AppError('database_unavailable'))
}

const inside = (kind: Kind): number => admission.of(kind).counts().inside
const waiting = (kind: Kind): number => admission.of(kind).counts().waiting

function inquire(): Ask {
  const token = door.me.authorization.slice('Bearer '.length)
  return { method: 'GET', path: `/v1/request/a-key`, token }
}

function read(): Ask {
  return { ...inquire(), path: `/v1/user/${door.me.id}` }
}

function pay(): Ask {
  const body = { fromId: door.me.id, toId: 'user_0198f3c2e1b77c3a9d5e0f1a2b3c4d5e', amount: '1' }
  return { ...read(), method: 'POST', path: '/v1/transaction', body }
}

/** One more than there is room for. */
async function crowd(ask: Ask) {
  const answers = pipeline(
    api,
    Array.from({ length: CROWD + 1 }, () => ask),
  )
  return await answers
}

test('a full server refuses before it looks, and says when to ask again', async () => {
  const answers = crowd(pay())
  await until('it is full', () => inside('writes') + waiting('writes') === CROWD)
  assert.equal(inside('writes'), INSIDE)
  const body = '{"not":"read'
  const answer = await fetch(`${api}/v1/transaction`, { method: 'POST', body })
  assert.equal(answer.status, 429)
  assert.equal(answer.headers.get('content-type'), 'application/problem+json')
  assert.match(answer.headers.get('retry-after') ?? '', /^\d+$/)
  const problem = (await answer.json()) as Record<string, unknown>
  assert.equal(problem['code'], 'overloaded')
  assert.equal(problem['requestId'], answer.headers.get('request-id'))

  const statuses = async (...asks: Ask[]) => {
    return (await pipeline(api, asks)).map((one) => one?.status)
  }
  const health = ['/healthz', '/readyz', '/', '/openapi.json']
  const open = await statuses(...health.map((path) => ({ method: 'GET' as const, path })))
  assert.deepEqual(open, [200, 200, 200, 200])
  const login = { login: 'a@example.com', password: 'a long pass phrase' }
  const signIn: Ask = { method: 'POST', path: '/v1/session', body: login }
  const signUp: Ask = { method: 'POST', path: '/v1/user', body: login }
  assert.deepEqual(await statuses(signIn, signUp), [503, 400], 'the auth layer has its own limits')

  const looking = pipeline(api, [read(), inquire()])
  await until('others are let in', () => inside('reads') === 1 && inside('inquiries') === 1)
  letGo()
  for (const looked of await looking) assert.equal(looked?.status, 503)
  await answers
  assert.deepEqual(kinds.map(inside), [0, 0, 0])
  assert.deepEqual(kinds.map(waiting), [0, 0, 0])
})

test('who waits in vain hears in two seconds that nothing happened', async () => {
  const answers = pipeline(
    api,
    Array.from({ length: INSIDE + 10 }, () => pay()),
  )
  await until('ten wait', () => waiting('writes') === 10)
  await until('they were sent away', () => waiting('writes') === 0)
  assert.equal(inside('writes'), INSIDE)
  letGo()
  const statuses = (await answers).map((one) => one?.status)
  assert.equal(statuses.filter((status) => status === 429).length, 10)
  assert.equal(statuses.filter((status) => status === 503).length, INSIDE)
})

test('who goes away keeps the place for as long as the work goes on', async () => {
  const sockets = Array.from({ length: 10 }, () => connect(Number(new URL(api).port), '127.0.0.1'))
  for (const socket of sockets) socket.write(printRequest('localhost', pay()))
  await until('all are inside', () => inside('writes') === 10)
  const closed = sockets.map(async (socket) => await once(socket, 'close'))
  for (const socket of sockets) socket.destroy()
  await Promise.all(closed)
  assert.equal((await fetch(`${api}/healthz`)).status, 200)
  assert.equal(inside('writes'), 10)
  letGo()
  await until('none is left', () => inside('writes') === 0)
})

test('a body that does not arrive takes no place, and neither does what is refused', async () => {
  const socket = connect(Number(new URL(api).port), '127.0.0.1')
  socket.write(printRequest('localhost', pay()).slice(0, -1))
  const before = admission.of('writes').counts().admitted
  const answers = await pipeline(api, [
    { ...pay(), token: 'none' },
    { ...pay(), body: { fromId: 1 } },
    { ...pay(), path: '/v1/nowhere' },
  ])
  assert.deepEqual(
    answers.map((one) => one?.status),
    [401, 400, 404],
  )
  assert.equal(admission.of('writes').counts().admitted, before)
  socket.destroy()
})

test('three hundred at once all have their turn, and each gives its place back', async () => {
  for (const [kind, ask] of [
    ['reads', read()],
    ['writes', pay()],
  ] as const) {
    const refused = admission.of(kind).counts().refused
    const answers = pipeline(
      api,
      Array.from({ length: 300 }, () => ask),
    )
    await until('all have come', () => inside(kind) + waiting(kind) === 300)
    letGo()
    for (const answer of await answers) assert.equal(answer?.status, 503)
    hold()
    assert.deepEqual([inside(kind), waiting(kind)], [0, 0])
    assert.equal(admission.of(kind).counts().refused, refused)
  }
})

test('a HEAD counts like one GET', async () => {
  letGo()
  const before = admission.of('inquiries').counts().admitted
  const { authorization } = door.me
  const path = `${api}/v1/request/a-key`
  await fetch(path, { method: 'HEAD', headers: { authorization } })
  const { inside: left, admitted } = admission.of('inquiries').counts()
  assert.deepEqual([left, admitted], [0, before + 1])
})
