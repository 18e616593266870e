import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { newId, parseId, printId } from '../../../src/ids/ids.ts'
import type { UserId } from '../../../src/ids/ids.ts'
import { customerScopes, staffScopes } from '../../../src/scopes.ts'
import type { StaffRole } from '../../../src/scopes.ts'
import { FRESH_FOR } from '../../../src/access/policy.ts'
import { after as later, DAY } from '../../../src/time.ts'
import { claimsFor, signMachine } from '../../kit/auth.ts'
import { openHouse } from '../house.ts'
import type { Caller, House } from '../house.ts'

type Problem = Readonly<{ code: string }>
type User = Readonly<{ userId: string; handle: string; status?: string; balance?: number }>
type Session = Readonly<{ accessToken: string }>

let house: House
before(async () => {
  house = await openHouse()
})
after(async () => await house.close())

/** A token of somebody, who showed a factor so long ago. */
async function tokenOf(userId: UserId, ago: bigint, roles: readonly StaffRole[] = []) {
  const { parts, auth } = house.world
  const claims = claimsFor(userId, parts.clock)
  const scopes = [...customerScopes, ...(roles.length > 0 ? staffScopes : [])]
  const authenticatedAt = later(claims.authenticatedAt, -ago)
  const issued = await auth.issueToken({ ...claims, scopes, roles, authenticatedAt })
  return house.caller(issued.accessToken)
}

const link = {
  bankName: 'First Sandbox Bank',
  bankAccountNumber: '9500001234',
  bankRoutingNumber: '222222226',
}
const maxAge = 'Bearer realm="farthing", error="insufficient_user_authentication", max_age=600'

test('what could lose all at once is refused to a session of yesterday, in words of RFC 9470', async () => {
  const { world } = house
  const [ada, bob] = [await world.rich(200_000n), printId('user', await world.person())]
  const id = printId('user', ada)
  const [old, young] = [await tokenOf(ada, DAY), await tokenOf(ada, FRESH_FOR / 2n)]
  const much = { fromId: id, toId: bob, amount: 1_000 }
  const asks = [
    ['POST', `/v1/user/${id}/accounts`, link],
    ['PUT', `/v1/user/${id}`, { ...link, bankAccountNumber: '9500001235' }],
    ['PUT', `/v1/user/${id}`, { email: 'ada.new@example.com' }],
    ['PUT', `/v1/user/${id}`, { phoneNumber: '+14155550177' }],
    ['POST', '/v1/transaction', much],
  ] as const
  for (const [index, [method, url, payload]] of asks.entries()) {
    const key = { 'idempotency-key': `key-${index}` }
    const refused = await old.ask<Problem>(method, url, payload, key)
    assert.deepEqual([refused.status, refused.body.code], [401, 'step_up_required'], url)
    assert.equal(refused.headers['www-authenticate'], maxAge)
    const done = await young.ask(method, url, payload, key)
    assert.equal(done.status, url.endsWith('/accounts') ? 201 : 200, url)
    const again = await old.ask(method, url, payload, key)
    assert.equal(again.headers['idempotent-replayed'], 'true', `${url} hides that it happened`)
  }
  const little = { ...much, amount: '999.99' }
  assert.equal((await old.ask('POST', '/v1/transaction', little)).status, 200)
  assert.equal((await old.ask('PUT', `/v1/user/${id}`, { displayName: 'Ada' })).status, 200)
})

test('whoever shows a factor again goes on', async () => {
  const { world, stranger, caller } = house
  const [email, password] = ['carol@example.com', 'otters in a long canoe']
  const up = { email, phoneNumber: '+14155550166', password }
  const { body } = await stranger.ask<User>('POST', '/v1/user', up)
  const tokens = await stranger.ask<Session>('POST', '/v1/session', { login: email, password })
  const carol = caller(tokens.body.accessToken)
  const url = `/v1/user/${body.userId}`
  const change = { email: 'carol.new@example.com' }
  world.advance(FRESH_FOR - 400n * 1_000_000n)
  assert.equal((await carol.ask('PUT', url, { displayName: 'Carol' })).status, 200)
  const again = await carol.ask<Session>('POST', '/v1/session/step-up', { password })
  assert.equal(again.status, 200)
  world.advance(200n * 1_000_000n)
  assert.equal((await caller(again.body.accessToken).ask('PUT', url, change)).status, 200)
})

async function staff(role: StaffRole): Promise<Caller> {
  return await tokenOf(newId('user'), 0n, [role])
}

test('support looks at a user, and an operator freezes and thaws one, again and again', async () => {
  const { world } = house
  const [ada, bob] = [await world.rich(10_000n), await world.person()]
  const url = `/v1/user/${printId('user', ada)}`
  const [support, operator] = [await staff('support'), await staff('operator')]
  const seen = await support.ask<User>('GET', url)
  assert.equal(seen.body.balance, 10_000)
  assert.equal((await support.ask<Problem>('POST', `${url}/freeze`)).body.code, 'action_forbidden')

  for (const [verb, status, outcome] of [
    ['freeze', 'frozen', 'declined'],
    ['thaw', 'active', 'accepted'],
  ] as const) {
    for (const payload of [undefined, {}]) {
      const answer = await operator.ask<User>('POST', `${url}/${verb}`, payload)
      assert.deepEqual([answer.status, answer.body.status], [200, status])
    }
    assert.equal((await world.pay(ada, bob, 100n)).status, outcome)
  }
  const { rows } = await world.pool.query<{ kind: string; by: string; where: string }>(
    `select kind, facts ->> 'by' as by, concat_ws(' ', client_id, network) as where
     from auth_event where user_id = $1 and kind in ('frozen', 'thawed') order by event_id`,
    [ada],
  )
  assert.deepEqual(
    rows.map(({ kind, where }) => [kind, where]),
    ['frozen', 'frozen', 'thawed', 'thawed'].map((kind) => [kind, 'test 127.0.0.1']),
  )
  assert.equal(new Set(rows.map(({ by }) => by)).size, 1)
  assert.match(rows[0]?.by ?? '', /^[0-9a-f-]{36}$/)
  const nobody = `/v1/user/${printId('user', newId('user'))}`
  const missing = await operator.ask<Problem>('POST', `${nobody}/freeze`)
  assert.deepEqual([missing.status, missing.body.code], [404, 'user_unknown'])
  assert.equal((await support.ask<Problem>('GET', nobody)).body.code, 'user_unknown')
})

test('a service with the scope of staff is an operator, and has no wallet of its own', async () => {
  const { world, caller } = house
  const { keys } = world.auth
  const ada = printId('user', await world.person())
  const now = world.parts.clock.now()
  const service = caller(await signMachine(keys, ['staff:write'], now))
  const frozen = await service.ask<User>('POST', `/v1/user/${ada}/freeze`)
  assert.equal(frozen.body.status, 'frozen')
  const { rows } = await world.pool.query(
    `select client_id, facts from auth_event where user_id = $1 and kind = 'frozen'`,
    [parseId('user', ada)],
  )
  assert.deepEqual(rows, [{ client_id: 'reports', facts: { by: 'client reports' } }])
  const read = await service.ask<Problem & { scope: string }>('GET', `/v1/user/${ada}`)
  assert.deepEqual([read.body.code, read.body.scope], ['scope_insufficient', 'staff:read'])
  const move = { fromId: ada, toId: ada, amount: 1 }
  const moved = await service.ask<Problem>('POST', '/v1/transaction', move)
  assert.equal(moved.body.code, 'action_forbidden')
})

test('what came of a request is shown to an app that may read that', async () => {
  const { world, caller } = house
  const ada = await world.person()
  const me = await tokenOf(ada, 0n)
  const id = printId('user', ada)
  const key = { 'idempotency-key': 'outcome' }
  assert.equal((await me.ask('POST', `/v1/user/${id}/accounts`, link, key)).status, 201)
  for (const [scope, expected] of [
    ['payments:read', 'scope_insufficient'],
    ['accounts:read', undefined],
  ] as const) {
    const claims = { ...claimsFor(ada, world.parts.clock), scopes: [scope] }
    const app = caller((await world.auth.issueToken(claims)).accessToken)
    assert.equal((await app.ask<Problem>('GET', '/v1/request/outcome')).body.code, expected)
  }
})
