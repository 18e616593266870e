import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach, mock, test } from 'node:test'
import { outsideIssuer, ownIssuer } from '../../src/access/issuers.ts'
import type { OutsideIssuer, Outsider } from '../../src/access/issuers.ts'
import { remoteKeys } from '../../src/access/remote-keys.ts'
import { createVerifier } from '../../src/access/tokens.ts'
import { createIssuer } from '../../src/auth/tokens.ts'
import { newId } from '../../src/ids/ids.ts'
import type { Scope, StaffRole } from '../../src/scopes.ts'
import { after as later, MILLISECOND, SECOND } from '../../src/time.ts'
import type { Micros } from '../../src/time.ts'
import { readTokenKeys } from '../../src/token-keys.ts'
import { claimsFor, makeJwk, names } from '../kit/auth.ts'
import { audience, startIssuer, tenantId } from '../kit/issuer.ts'
import type { TestIssuer } from '../kit/issuer.ts'
import { refusedAs } from '../kit/refused.ts'
import { until } from '../kit/until.ts'

const startMs = 1_790_000_000_000
const iat = startMs / 1_000
const oid = 'aaaaaaaa-0000-4000-8000-000000000001'

let theirs: TestIssuer
before(async () => {
  // The library that keeps their keys looks at the clock of the machine.
  mock.timers.enable({ apis: ['Date'], now: startMs })
})
after(() => mock.timers.reset())
beforeEach(async () => {
  mock.timers.setTime(startMs)
  theirs = await startIssuer()
})
afterEach(async () => await theirs.close())

const clock = { now: () => (BigInt(Date.now()) * MILLISECOND) as Micros }
const keys = readTokenKeys([makeJwk('ours')])
const scopes: ReadonlyMap<string, Scope> = new Map([
  ['payments.read', 'payments:read'],
  ['Payments.Write', 'payments:write'],
  ['Staff.Read.All', 'staff:read'],
])
const roles: ReadonlyMap<string, StaffRole> = new Map([['Farthing.Support', 'support']])

function entra(): OutsideIssuer {
  const { issuer, jwksUri } = theirs
  const both = { issuer, audience, jwksUri, algorithms: ['RS256'], scopes, roles }
  return { kind: 'entra', tenantId, ...both }
}

function oidc(change: object = {}): OutsideIssuer {
  return {
    ...entra(),
    kind: 'oidc',
    typ: 'JWT',
    subjectClaims: ['sub'],
    scopesClaim: 'scope',
    rolesClaim: 'groups',
    ...change,
  }
}

const found = newId('user')

/** The API as it trusts them; `asked` are those whose user was looked for. */
function open(row: OutsideIssuer = entra()) {
  const asked: Outsider[] = []
  const verify = createVerifier({
    issuers: [ownIssuer({ keys, ...names }), outsideIssuer(row, remoteKeys(row.jwksUri, clock))],
    denies: () => false,
    customerOf: async (outsider) => {
      asked.push(outsider)
      return await Promise.resolve(found)
    },
    clock,
  })
  return { verify, asked }
}

/** What Microsoft says in an access token of a customer, in its version 2.0. */
const customer = () => ({
  iss: theirs.issuer,
  aud: audience,
  iat,
  nbf: iat,
  exp: iat + 3_900,
  ver: '2.0',
  tid: tenantId,
  oid,
  sub: 'pairwise-of-the-app',
  azp: '99999999-0000-4000-8000-000000000009',
  scp: 'payments.read Payments.Write something.else',
  name: 'Ada Lovelace',
  email: 'ada@example.com',
  preferred_username: 'ada@contoso.example',
})
/** …and of an app that asks for itself. */
const app = () => {
  const { scp: _scp, name: _name, email: _email, preferred_username: _upn, ...rest } = customer()
  return { ...rest, sub: oid, roles: ['Staff.Read.All', 'Other.Role'] }
}
/** …and in an ID token, which says who signed in to whoever asked. */
const idToken = () => {
  const { scp: _scp, azp: _azp, ...rest } = customer()
  return { ...rest, nonce: 'n', roles: ['Farthing.Support'] }
}

test('a token of a customer speaks for their tenant and object, with scopes in our words', async () => {
  const { verify, asked } = open()
  const actor = await verify(await theirs.sign(customer()))
  assert.deepEqual(actor, {
    kind: 'user',
    userId: found,
    sessionId: null,
    clientId: customer().azp,
    scopes: new Set(['payments:read', 'payments:write']),
    roles: [],
    authenticatedAt: null,
    methods: [],
    issuedAt: clock.now(),
    expiresAt: later(clock.now(), 3_900n * SECOND),
  })
  const subject = `${tenantId}:${oid}`
  const said = { name: 'Ada Lovelace', email: 'ada@example.com' }
  assert.deepEqual(asked, [{ issuer: theirs.issuer, subject, ...said }])
})

test('who has an app role of ours is staff, and the time of signing in counts when it is said', async () => {
  const { verify } = open()
  const roles = ['Farthing.Support', 'Farthing.Unknown', 'operator']
  const said = { ...customer(), roles, auth_time: iat - 60, amr: ['pwd', 'mfa'] }
  const actor = await verify(await theirs.sign(said))
  assert(actor.kind === 'user')
  assert.deepEqual(actor.roles, ['support'])
  assert.equal(actor.authenticatedAt, later(clock.now(), -60n * SECOND))
  assert.deepEqual(actor.methods, ['pwd', 'mfa'])
})

test('a token of an app is a service with what its app roles allow, and opens no user', async () => {
  const { verify, asked } = open()
  const actor = await verify(await theirs.sign(app()))
  assert.equal(actor.kind, 'service')
  assert.deepEqual([...actor.scopes], ['staff:read'])
  assert.deepEqual(asked, [])
})

const refusals: Readonly<Record<string, () => Promise<string>>> = {
  'an ID token, also with app roles': async () => await theirs.sign(idToken()),
  'an ID token that names its client': async () =>
    await theirs.sign({ ...idToken(), azp: customer().azp }),
  'version 1.0': async () => await theirs.sign({ ...customer(), ver: '1.0' }),
  'no version': async () => await theirs.sign({ ...customer(), ver: undefined }),
  'another tenant': async () => await theirs.sign({ ...customer(), tid: oid }),
  'no tenant': async () => await theirs.sign({ ...customer(), tid: undefined }),
  'no object': async () => await theirs.sign({ ...customer(), oid: undefined }),
  'no client': async () => await theirs.sign({ ...customer(), azp: undefined }),
  'neither scopes nor roles': async () => await theirs.sign({ ...customer(), scp: undefined }),
  'empty scopes': async () => await theirs.sign({ ...customer(), scp: '' }),
  'an app that is not its own subject': async () => await theirs.sign({ ...app(), sub: 'other' }),
  'another audience': async () => await theirs.sign({ ...customer(), aud: 'elsewhere' }),
  'expired, beyond the seconds between clocks': async () =>
    await theirs.sign({ ...customer(), exp: iat - 5 }),
  'not yet valid, beyond them': async () => await theirs.sign({ ...customer(), nbf: iat + 6 }),
  'made in the future, beyond them': async () => await theirs.sign({ ...customer(), iat: iat + 6 }),
  'a life of more than a day': async () => await theirs.sign({ ...customer(), exp: iat + 86_401 }),
  'another algorithm': async () => await underAnother('PS256'),
  'a token for people of our own, signed by them': async () =>
    await theirs.sign({ ...customer(), iss: names.issuer }, { typ: 'at+jwt', kid: 'ours' }),
  'a token of theirs, signed by us': async () => await signedByUs(theirs.issuer),
}

/** Signed as ever, under a header that says another algorithm. */
async function underAnother(alg: string): Promise<string> {
  const [, payload, signature] = (await theirs.sign(customer())).split('.')
  const header = JSON.stringify({ alg, typ: 'JWT', kid: 'key-1' })
  return `${Buffer.from(header).toString('base64url')}.${payload}.${signature}`
}

async function signedByUs(issuer: string): Promise<string> {
  const issue = createIssuer({ keys, issuer, audience, ttlSeconds: 300, clock })
  return (await issue(claimsFor(newId('user'), clock))).accessToken
}

for (const [name, forge] of Object.entries(refusals)) {
  test(`refused: ${name}`, async () => {
    const { verify, asked } = open()
    await verify(await theirs.sign(customer()))
    await refusedAs('token_invalid', verify(await forge()))
    assert.equal(asked.length, 1, 'nobody was looked for')
  })
}

test('a clock that is five seconds off refuses nobody', async () => {
  const { verify } = open()
  const ahead = { ...customer(), iat: iat + 5, nbf: iat + 5, exp: iat + 300 }
  await verify(await theirs.sign(ahead))
  await verify(await theirs.sign({ ...customer(), exp: iat - 4 }))
})

test('a rotated key is read with one fetch, and the one before counts no more', async () => {
  const { verify } = open()
  await verify(await theirs.sign(customer()))
  assert.equal(theirs.reads(), 1)
  const before = await theirs.sign({ ...customer(), jti: 'before' })
  await theirs.rotate()
  mock.timers.setTime(startMs + 31_000)
  await verify(await theirs.sign(customer()))
  await verify(await theirs.sign({ ...customer(), jti: 'again' }))
  assert.equal(theirs.reads(), 2)
  await refusedAs('token_invalid', verify(before))
})

test('fifty unknown keys have the set read once more at most', async () => {
  const { verify } = open()
  await verify(await theirs.sign(customer()))
  for (const [ms, reads] of [
    [0, 1],
    [31_000, 2],
  ] as const) {
    mock.timers.setTime(startMs + ms)
    const unknown = Array.from({ length: 50 }, async (_, index) => {
      const token = await theirs.sign(customer(), { kid: `nobody-${ms}-${index}` })
      await refusedAs('token_invalid', verify(token))
    })
    await Promise.all(unknown)
    assert.equal(theirs.reads(), reads)
  }
})

test('while their keys cannot be read, known ones go on; unknown ones wait, and it heals', async () => {
  const { verify } = open()
  await verify(await theirs.sign(customer()))
  theirs.answerWith(500)
  mock.timers.setTime(startMs + 31_000)
  for (const jti of ['1', '2', '3']) await verify(await theirs.sign({ ...customer(), jti }))
  assert.equal(theirs.reads(), 1)

  await theirs.rotate()
  const next = await theirs.sign(customer())
  for (let asked = 0; asked < 20; asked += 1) await refusedAs('issuer_unavailable', verify(next))
  assert.equal(theirs.reads(), 2, 'it rests after a failure, however many ask')

  theirs.answerWith(200)
  mock.timers.setTime(startMs + 37_000)
  await verify(next)
  assert.equal(theirs.reads(), 3)
})

test('keys that never came are asked for again, and a day of outage ends nobody', async () => {
  theirs.answerWith(503)
  const { verify } = open()
  const token = await theirs.sign(customer())
  await refusedAs('issuer_unavailable', verify(token))
  theirs.answerWith(200)
  mock.timers.setTime(startMs + 6_000)
  await verify(token)

  theirs.answerWith(503)
  mock.timers.setTime(startMs + 86_400_000)
  const nextDay = { iat: iat + 86_300, nbf: iat + 86_300, exp: iat + 90_000 }
  await verify(await theirs.sign({ ...customer(), ...nextDay }))
})

test('a key that is withdrawn counts an hour longer, while it is used', async () => {
  const { verify } = open()
  await verify(await theirs.sign(customer()))
  const signBefore = await theirs.rotate()
  const long = { ...customer(), exp: iat + 80_000 }
  mock.timers.setTime(startMs + 3_599_000)
  await verify(await signBefore(long))
  mock.timers.setTime(startMs + 3_600_000)
  let tokens = 0
  await until('it counts no more', async () => {
    tokens += 1
    const again = verify(await signBefore({ ...long, jti: String(tokens) }))
    return await again.then(
      () => false,
      () => true,
    )
  })
  assert.equal(theirs.reads(), 2)
})

for (const [name, row, claims] of [
  ['scopes in a list', oidcRow({ scopesClaim: 'scp' }), { scp: ['payments.read'] }],
  ['at+jwt', oidcRow({ typ: 'at+jwt' }), {}],
  ['two claims as the subject', oidcRow({ subjectClaims: ['org', 'sub'] }), { org: 'a:b' }],
] as const) {
  test(`any provider: ${name}`, async () => {
    const { verify, asked } = open(row())
    const typ = name === 'at+jwt' ? 'at+jwt' : 'JWT'
    const said = { ...generic(), ...claims }
    const actor = await verify(await theirs.sign(said, { typ }))
    assert.deepEqual([...actor.scopes], ['payments:read'])
    const subject = 'org' in claims ? 'a%3Ab:auth0|1' : 'auth0|1'
    assert.deepEqual(asked[0]?.subject, subject)
  })
}

function oidcRow(change: object) {
  return () => oidc(change)
}

const generic = () => ({
  iss: theirs.issuer,
  aud: [audience, 'https://userinfo.example'],
  iat,
  exp: iat + 600,
  sub: 'auth0|1',
  azp: 'their-app',
  scope: 'openid payments.read',
  groups: ['Farthing.Support'],
})

const genericRefusals: Readonly<Record<string, object>> = {
  'without scopes': { scope: undefined },
  'with the hash of another token': { at_hash: 'x' },
  'without its client': { azp: undefined },
  'without its subject': { sub: '' },
  'with a subject beyond measure': { sub: 'x'.repeat(256) },
}

for (const [name, change] of Object.entries(genericRefusals)) {
  test(`any provider, refused: ${name}`, async () => {
    const { verify } = open(oidc())
    const token = await theirs.sign({ ...generic(), ...change })
    await refusedAs('token_invalid', verify(token))
  })
}

test('any provider: who is their own client is a service', async () => {
  const { verify } = open(oidc())
  const actor = await verify(await theirs.sign({ ...generic(), sub: 'their-app' }))
  assert.equal(actor.kind, 'service')
})
