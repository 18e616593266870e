import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { assertBooks, assertHeardIsTrue, countTransactions } from './kit/books.ts'
import { ask, fund, signUp, tryMove } from './kit/caller.ts'
import type { Answer, Ask, Caller } from './kit/caller.ts'
import { insist } from './kit/insist.ts'
import type { Proxy } from './kit/proxy.ts'
import { startBehindProxy } from './kit/farthing.ts'

/**
 * Goal: while the database is away everybody hears so, and when it is back all is well.
 * Method: the real service reaches PostgreSQL through a proxy that is shut, or falls silent.
 */
let world: Awaited<ReturnType<typeof startBehindProxy>>
let payer: Caller
let payee: Caller
before(async () => {
  world = await startBehindProxy(2)
  const { service } = world
  payer = await signUp(service.api)
  payee = await signUp(service.api)
  await fund(service.api, payer, 10_000n)
})
after(async () => await world.close())

const troubles = [
  { name: 'refuses connections', begin: (proxy: Proxy) => proxy.shut() },
  { name: 'does not answer', begin: (proxy: Proxy) => proxy.hush() },
] as const

for (const { name, begin } of troubles) {
  test(`a database that ${name}: 503 for all who need it, and no restart to recover`, async () => {
    const { database, proxy, service } = world
    const pid = service.pid()
    const key = randomUUID()
    const began = performance.now()
    const before = await countTransactions(database.pool, [payer.userId])
    begin(proxy)

    const { token } = payer
    const body = { fromId: payer.name, toId: payee.name, amount: '1.00' }
    const asks: readonly Ask[] = [
      { method: 'POST', path: '/v1/transaction', body, key, token },
      { method: 'POST', path: '/v1/transaction', body, token },
      { method: 'GET', path: `/v1/user/${payer.name}`, token },
      { method: 'GET', path: `/v1/transactions/${payer.name}`, token },
      { method: 'GET', path: `/v1/request/${key}`, token },
      { method: 'PUT', path: `/v1/user/${payer.name}`, body: { displayName: 'P' }, token },
      { method: 'POST', path: '/v1/session', body: { login: 'a@example.com', password: 'x' } },
    ]
    const answers = await Promise.all(asks.map(async (one) => await ask(service.api, one)))
    for (const answer of answers) assertUnavailable(answer)
    const ready = await ask(service.api, { method: 'GET', path: '/readyz' })
    assert.equal(ready.status, 503)
    assert.equal((await ask(service.api, { method: 'GET', path: '/healthz' })).status, 200)

    proxy.open()
    proxy.release()
    await service.ready()
    assert.equal(service.pid(), pid)
    const again = { kind: 'payment', caller: payer, payee: payee.name, cents: 100n, key } as const
    const heard = await insist(async () => await tryMove(service.api, again, began))
    assert.equal(heard.answer?.status, 'accepted')
    await assertHeardIsTrue(database.pool, [heard], before)
    await assertBooks(database.pool)
  })
}

function assertUnavailable({ status, headers, body }: Answer): void {
  const code = String(body['code'])
  assert(['database_unavailable', 'outcome_unknown'].includes(code), `${status} ${code}`)
  assert.equal(status, 503)
  assert.match(headers.get('content-type') ?? '', /^application\/problem\+json/)
  assert.match(headers.get('retry-after') ?? '', /^\d+$/)
  assert.equal(typeof body['errorMessage'], 'string')
}
