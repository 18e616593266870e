import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { createDenyList } from '../../../src/access/deny-list.ts'
import type { DenyList } from '../../../src/access/deny-list.ts'
import { outsideIssuer, ownIssuer } from '../../../src/access/issuers.ts'
import { remoteKeys } from '../../../src/access/remote-keys.ts'
import { createVerifier } from '../../../src/access/tokens.ts'
import { parseId } from '../../../src/ids/ids.ts'
import { customerOf } from '../../../src/payments/customer.ts'
import { scopes } from '../../../src/scopes.ts'
import { printTime, SECOND } from '../../../src/time.ts'
import { names } from '../../kit/auth.ts'
import { audience, startIssuer, tenantId } from '../../kit/issuer.ts'
import type { TestIssuer } from '../../kit/issuer.ts'
import { until } from '../../kit/until.ts'
import { openHouse } from '../house.ts'
import type { House } from '../house.ts'

type Problem = Readonly<{ code: string; detail: string }>
type User = Readonly<{
  userId: string
  handle: string
  email: string | null
  phoneNumber: string | null
}>

let house: House
let theirs: TestIssuer
let list: DenyList
before(async () => {
  theirs = await startIssuer()
  const { issuer, jwksUri } = theirs
  const both = { issuer, audience, jwksUri, algorithms: ['RS256'], roles: new Map() }
  const row = { ...both, kind: 'entra', tenantId, scopes: new Map(scopes.map((s) => [s, s])) }
  house = await openHouse({}, ({ pool, parts, auth }) => {
    const { clock } = parts
    list = createDenyList({ db: pool, clock })
    const outside = outsideIssuer(
      row as Parameters<typeof outsideIssuer>[0],
      remoteKeys(jwksUri, clock),
    )
    return {
      verifyToken: createVerifier({
        issuers: [ownIssuer({ keys: auth.keys, ...names }), outside],
        denies: list.denies,
        customerOf: async (outsider) => await customerOf(parts, outsider),
        clock,
      }),
    }
  })
  await list.start()
})
after(async () => {
  await list.stop()
  await house.close()
  await theirs.close()
})

let people = 0

function claims(change: object = {}) {
  people += 1
  const iat = Math.floor(Date.now() / 1_000) - 1
  return {
    iss: theirs.issuer,
    aud: audience,
    iat,
    exp: iat + 3_600,
    ver: '2.0',
    tid: tenantId,
    oid: `00000000-0000-4000-8000-${String(people).padStart(12, '0')}`,
    sub: 'pairwise',
    azp: 'web',
    scp: scopes.join(' '),
    name: 'Ada Lovelace',
    ...change,
  }
}

test('a customer of an outside issuer comes in, finds themselves, and is one of us', async () => {
  const { world, caller } = house
  const me = caller(await theirs.sign(claims()))
  const first = await me.ask<User>('GET', '/v1/user')
  assert.equal(first.status, 200)
  assert.deepEqual([first.body.email, first.body.phoneNumber], [null, null])
  const id = parseId('user', first.body.userId) ?? assert.fail()
  const rich = await world.rich(10_000n)
  await world.pay(rich, id, 500n)
  const { body } = await me.ask<Readonly<{ balance: number }>>(
    'GET',
    `/v1/user/${first.body.userId}`,
  )
  assert.equal(body.balance, 500)
})

test('twenty first requests at once are one customer’s', async () => {
  const me = house.caller(await theirs.sign(claims()))
  const answers = await Promise.all(
    Array.from({ length: 20 }, async () => await me.ask<User>('GET', '/v1/user')),
  )
  assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200])
  assert.equal(new Set(answers.map(({ body }) => body.userId)).size, 1)
})

test('a factor is fresh only when the issuer says when it was shown', async () => {
  const said = claims()
  const change = { email: 'outside@example.com' }
  const silent = house.caller(await theirs.sign(said))
  const { userId } = (await silent.ask<User>('GET', '/v1/user')).body
  const refused = await silent.ask<Problem>('PUT', `/v1/user/${userId}`, change)
  assert.equal(refused.body.code, 'step_up_required')
  const telling = house.caller(await theirs.sign({ ...said, auth_time: said.iat }))
  const changed = await telling.ask<User>('PUT', `/v1/user/${userId}`, change)
  assert.deepEqual([changed.status, changed.body.email], [200, change.email])
})

test('the session is the issuer’s: it is neither ended nor made fresh here', async () => {
  const me = house.caller(await theirs.sign(claims()))
  const end = await me.ask<Problem>('DELETE', '/v1/session')
  const again = await me.ask<Problem>('POST', '/v1/session/step-up', { password: 'x' })
  assert.deepEqual([end.body.code, again.body.code], ['action_forbidden', 'action_forbidden'])
})

test('what they bring is denied like our own tokens, once their user is', async () => {
  const { pool } = house.world
  const said = claims()
  const me = house.caller(await theirs.sign(said))
  const { userId } = (await me.ask<User>('GET', '/v1/user')).body
  const now = house.world.parts.clock.now()
  await pool.query(
    `insert into revocation (revocation_id, subject, before, expires_at)
     values (gen_random_uuid(), $1, $2, $3)`,
    [parseId('user', userId), printTime(now), '2999-01-01T00:00:00Z'],
  )
  const refused = await until('it is denied', async () => {
    const answer = await me.ask<Problem>('GET', '/v1/user')
    return answer.status === 401 && answer
  })
  assert.deepEqual([refused.body.code, refused.body.detail], ['token_invalid', 'revoked'])
  // Whoever signs in anew holds a token of a later second.
  const iat = Number(now / SECOND) + 1
  const later = house.caller(await theirs.sign({ ...said, iat }))
  assert.equal((await later.ask('GET', '/v1/user')).status, 200)
})

const run = promisify(execFile)
const program = fileURLToPath(new URL('../../../src/bin/farthing.ts', import.meta.url))

/** A command that an operator runs beside a server. */
async function command(...words: readonly string[]): Promise<string> {
  const env = { PATH: process.env['PATH'], DATABASE_URL: house.world.url }
  const { stdout } = await run(process.execPath, [program, ...words], { env })
  return stdout
}

const disconnect = async (user: string): Promise<string> => await command('disconnect', user)

test('who is disconnected is out within a second, whoever issued their token, and may come back', async () => {
  const { auth, parts, pool, advance } = house.world
  const said = claims()
  const outside = house.caller(await theirs.sign(said))
  const { userId } = (await outside.ask<User>('GET', '/v1/user')).body
  const bystander = house.caller(await theirs.sign(claims()))
  const id = parseId('user', userId)
  assert(id)
  const begin = async () =>
    await auth.sessions.begin({
      userId: id,
      clientId: 'web',
      methods: ['pwd'],
      network: null,
      device: null,
      authenticatedAt: parts.clock.now(),
      browserId: null,
    })
  const tokens = await begin()
  const ours = house.caller(tokens.accessToken)
  const both = async () =>
    await Promise.all([outside, ours].map(async (me) => (await me.ask('GET', '/v1/user')).status))
  assert.deepEqual(await both(), [200, 200])

  assert.match(await disconnect(userId), /^Sessions ended: 1\./)
  const endedAt = performance.now()
  await until('both are refused', async () => (await both()).every((status) => status === 401))
  assert(performance.now() - endedAt < 1_000)
  const stale = { refreshToken: tokens.refreshToken }
  const refused = await house.stranger.ask<Problem>('POST', '/v1/session/refresh', stale)
  assert.equal(refused.body.code, 'refresh_token_invalid')
  assert.equal((await bystander.ask('GET', '/v1/user')).status, 200)

  const written = `select outcome, facts from auth_event where user_id = $1 and kind = 'disconnected'`
  const { rows } = await pool.query(written, [id])
  assert.deepEqual(rows, [{ outcome: 'done', facts: { count: 1 } }])

  // A token of another clock, which is ahead, was issued before all the same.
  const ahead = house.caller(await theirs.sign({ ...said, iat: said.iat + 5 }))
  assert.equal((await ahead.ask('GET', '/v1/user')).status, 401)
  advance(7n * SECOND)
  const iat = Number(parts.clock.now() / SECOND)
  const again = [await theirs.sign({ ...said, iat }), (await begin()).accessToken]
  for (const token of again) {
    assert.equal((await house.caller(token).ask('GET', '/v1/user')).status, 200)
  }
})

test('what ends the tokens of a user is remembered for as long as any of them may live', async () => {
  const { userId, handle } = (
    await house.caller(await theirs.sign(claims())).ask<User>('GET', '/v1/user')
  ).body
  assert.match(await disconnect(handle), /^Sessions ended: 0\./)
  const { rows } = await house.world.pool.query<{ long: boolean }>(
    `select expires_at >= before + interval '1 day' as long from revocation where subject = $1`,
    [parseId('user', userId)],
  )
  assert.deepEqual(rows, [{ long: true }])
})

test('nobody can be disconnected who is not there', async () => {
  const nobody = 'user_0198f3c2000070008000000000000000'
  await assert.rejects(disconnect(nobody), /There is no such user/)
  await assert.rejects(disconnect('ada'), /Nobody is called "ada"/)
})

test('what is given is given by id: a name may be taken, and an address unproven', async () => {
  const asked = await house.caller(await theirs.sign(claims())).ask<User>('GET', '/v1/user')
  const { userId, handle } = asked.body
  await assert.rejects(command('staff', handle, 'operator'), /is no user id/)
  assert.match(await command('freeze', handle), /is now frozen/)
  await assert.rejects(command('thaw', handle), /is no user id/)
  assert.match(await command('thaw', userId), /is now active/)
})
