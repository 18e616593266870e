import assert from 'node:assert/strict'
import { createPublicKey } from 'node:crypto'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { CompactSign, decodeJwt, decodeProtectedHeader, SignJWT, UnsecuredJWT } from 'jose'
import { readTokenKeys, readVerifyingKeys } from '../../src/token-keys.ts'
import type { TokenJwk } from '../../src/keys.ts'
import { claimsFor, makeJwk, verifierOf } from '../kit/auth.ts'
import { createIssuer } from '../../src/auth/tokens.ts'
import { AppError, StartRefused } from '../../src/errors.ts'
import { customerScopes } from '../../src/scopes.ts'
import { newId, printId } from '../../src/ids/ids.ts'
import { after, MILLISECOND, SECOND } from '../../src/time.ts'
import type { Micros } from '../../src/time.ts'

const issuer = 'http://localhost:8080'
const audience = 'farthing'
/** A whole second: what a token says of times is no finer. */
const start = 1_790_000_000_000_000n as Micros
const startSeconds = Number(start / SECOND)

const ours = makeJwk('2026-a')
const older = makeJwk('2025-b')
const theirs = makeJwk('2026-a')

function world(jwks: readonly TokenJwk[] = [ours, older]) {
  let now = start
  const clock = { now: () => now }
  const parts = { keys: readTokenKeys(jwks), issuer, audience, ttlSeconds: 300, clock }
  return {
    issue: createIssuer(parts),
    verify: verifierOf(parts),
    pass: (span: bigint) => {
      now = after(now, span)
    },
  }
}

const who = claimsFor(newId('user'), { now: () => start })
const { userId, sessionId } = who

test('a token speaks for the user and session it was made for, and says how', async () => {
  const { issue, verify } = world()
  const { accessToken, expiresIn } = await issue(who)
  assert.equal(expiresIn, 300)
  const expiresAt = after(start, 300n * SECOND)
  assert.deepEqual(await verify(accessToken), {
    kind: 'user',
    userId,
    sessionId,
    clientId: 'test',
    scopes: new Set(customerScopes),
    roles: [],
    authenticatedAt: start,
    methods: ['pwd'],
    issuedAt: start,
    expiresAt,
  })
})

test('a token says what RFC 9068 asks for, and nothing of the person', async () => {
  const { issue } = world()
  const { accessToken } = await issue(who)
  assert.deepEqual(decodeProtectedHeader(accessToken), {
    alg: 'ES256',
    typ: 'at+jwt',
    kid: '2026-a',
  })
  const { jti, ...rest } = decodeJwt(accessToken)
  assert.match(jti ?? '', /^[0-9a-f-]{36}$/)
  assert.deepEqual(rest, {
    iss: issuer,
    aud: audience,
    client_id: 'test',
    scope: 'user:read user:write accounts:read accounts:write payments:read payments:write',
    sub: printId('user', userId),
    sid: printId('sess', sessionId),
    auth_time: startSeconds,
    amr: ['pwd'],
    iat: startSeconds,
    exp: startSeconds + 300,
  })
})

test('the first key signs, and what an older key signed still passes', async () => {
  const before = world([older])
  const { accessToken } = await before.issue(who)
  assert.equal((await world([ours, older]).verify(accessToken)).userId, who.userId)
  await refused(world([ours]), accessToken)
})

test('a remembered token is refused from its end on', async () => {
  const { issue, verify, pass } = world()
  const { accessToken } = await issue(who)
  pass(299n * SECOND)
  await verify(accessToken)
  pass(SECOND - MILLISECOND)
  await verify(accessToken)
  pass(MILLISECOND)
  await assert.rejects(verify(accessToken), (error) => {
    return error instanceof AppError && error.facts['why'] === 'expired'
  })
})

test('no change of one character passes', async () => {
  const { issue, verify } = world()
  const { accessToken } = await issue(who)
  const place = fc.nat(accessToken.length - 1)
  const character = fc.constantFrom(...'ABCxyz012-_.='.split(''))
  await fc.assert(
    fc.asyncProperty(place, character, async (at, character) => {
      const forged = accessToken.slice(0, at) + character + accessToken.slice(at + 1)
      // The last character of a signature carries four bits that do not count.
      fc.pre(forged !== accessToken && at < accessToken.length - 1)
      await assert.rejects(verify(forged), isTokenInvalid)
    }),
    { numRuns: 300 },
  )
})

test('no text but a token passes, whatever it looks like', async () => {
  const { verify } = world()
  const part = fc.oneof(fc.base64String(), fc.json().map(base64), fc.string({ unit: 'binary' }))
  const text = fc.oneof(
    part,
    fc.array(part, { maxLength: 5 }).map((parts) => parts.join('.')),
  )
  await fc.assert(
    fc.asyncProperty(text, async (text) => await assert.rejects(verify(text), isTokenInvalid)),
    { numRuns: 500 },
  )
})

const good = {
  iss: issuer,
  aud: audience,
  sub: printId('user', who.userId),
  sid: printId('sess', who.sessionId),
  client_id: 'test',
  scope: 'user:read',
  auth_time: startSeconds,
  jti: '1',
  iat: startSeconds,
  exp: startSeconds + 300,
}
const header = { alg: 'ES256', typ: 'at+jwt', kid: '2026-a' }
const without = (claim: keyof typeof good) => {
  const { [claim]: _left, ...rest } = good
  return rest
}

/** Signed by us, so that nothing but what the name says is wrong. */
async function signed(claims: object, changed: object = {}, jwk = ours): Promise<string> {
  return await new SignJWT({ ...claims })
    .setProtectedHeader({ ...header, ...changed })
    .sign(readTokenKeys([jwk]).signing.key)
}

/** Signed by us, with a number that JSON.stringify would not write. */
async function raw(claims: object, member: string): Promise<string> {
  const text = JSON.stringify(claims).replace(/"exp":\d+/, member)
  return await new CompactSign(Buffer.from(text))
    .setProtectedHeader(header)
    .sign(readTokenKeys([ours]).signing.key)
}

const publicPem = (): string => {
  const key = readTokenKeys([ours]).verifying.get('2026-a') ?? assert.fail()
  return createPublicKey(key.export({ format: 'pem', type: 'spki' })).export({
    format: 'pem',
    type: 'spki',
  }) as string
}
const withSecret = async (alg: string, secret: Uint8Array) =>
  await new SignJWT(good).setProtectedHeader({ ...header, alg }).sign(secret)

const forgeries: Readonly<Record<string, () => Promise<string>>> = {
  'alg none': async () => new UnsecuredJWT(good).encode(),
  'alg none under our header': async () =>
    `${base64(JSON.stringify({ ...header, alg: 'none' }))}.${base64(JSON.stringify(good))}.`,
  'alg None with our signature': async () => {
    const [, payload, signature] = (await signed(good)).split('.')
    return `${base64(JSON.stringify({ ...header, alg: 'None' }))}.${payload}.${signature}`
  },
  'HS256 with our public key as the secret': async () =>
    await withSecret('HS256', Buffer.from(publicPem())),
  'HS256 with our public point as the secret': async () =>
    await withSecret('HS256', Buffer.from(ours.x ?? '', 'base64url')),
  'another key under our kid': async () => await signed(good, {}, theirs),
  'a key that it brings along': async () => {
    const [jwk] = readTokenKeys([theirs]).publicJwks.keys
    return await signed(good, { jwk }, theirs)
  },
  'a key that it says where to fetch': async () =>
    await signed(good, { jku: 'http://localhost:1/jwks.json' }, theirs),
  'an unknown kid': async () => await signed(good, { kid: 'nobody' }),
  'no kid': async () => await signed(good, { kid: undefined }),
  'another audience': async () => await signed({ ...good, aud: 'elsewhere' }),
  'no audience': async () => await signed(without('aud')),
  'another issuer': async () => await signed({ ...good, iss: 'https://evil.example' }),
  'no issuer': async () => await signed(without('iss')),
  expired: async () => await signed({ ...good, iat: startSeconds - 301, exp: startSeconds - 1 }),
  'expired this second': async () => await signed({ ...good, exp: startSeconds }),
  'without an end': async () => await signed(without('exp')),
  'an end that is a text': async () => await signed({ ...good, exp: String(startSeconds + 300) }),
  'not yet valid': async () => await signed({ ...good, nbf: startSeconds + 60 }),
  'made in the future': async () => await signed({ ...good, iat: startSeconds + 6 }),
  'made at no time': async () => await signed(without('iat')),
  'an end beyond all numbers': async () => await raw(good, '"exp":1e400'),
  'bound to a key that is not shown': async () => await signed({ ...good, cnf: { jkt: 'x' } }),
  'without its client': async () => await signed(without('client_id')),
  'an ID token': async () => await signed(good, { typ: 'JWT' }),
  'no typ': async () => await signed(good, { typ: undefined }),
  'an extension that we do not know': async () => {
    const key = readTokenKeys([ours]).signing.key
    return await new SignJWT(good)
      .setProtectedHeader({ ...header, crit: ['x'], x: 1 })
      .sign(key, { crit: { x: true } })
  },
  'sub of a bank account': async () => await signed({ ...good, sub: printId('bank', who.userId) }),
  'sub in the inside form': async () => await signed({ ...good, sub: who.userId }),
  'sub that is a number': async () => await signed({ ...good, sub: 1 }),
  'no sub': async () => await signed(without('sub')),
  'sid of a user': async () => await signed({ ...good, sid: good.sub }),
  'sid that is a list': async () => await signed({ ...good, sid: [good.sid] }),
  'no sid, although somebody signed in': async () => await signed(without('sid')),
  'no sid, and a user as the client': async () =>
    await signed({ ...without('sid'), client_id: good.sub }),
  'no jti': async () => await signed(without('jti')),
  'cut in the signature': async () => (await signed(good)).slice(0, -10),
  'without its signature': async () => (await signed(good)).split('.').slice(0, 2).join('.'),
  'signature of another token': async () => {
    const [head, payload] = (await signed(good)).split('.')
    const [, , signature] = (await signed({ ...good, jti: '2' })).split('.')
    return `${head}.${payload}.${signature}`
  },
  'a space behind': async () => `${await signed(good)} `,
  garbage: async () => 'garbage',
  nothing: async () => '',
  'very long': async () => `${await signed(good)}${'A'.repeat(100_000)}`,
}

test('the token that the forgeries start from is good', async () => {
  assert.equal((await world().verify(await signed(good))).userId, who.userId)
})

for (const [name, forge] of Object.entries(forgeries)) {
  test(`refused: ${name}`, async () => {
    await refused(world(), await forge())
  })
}

test('the published keys are public: these members and no other', () => {
  const { publicJwks } = readTokenKeys([ours, older])
  for (const [place, jwk] of [ours, older].entries()) {
    assert.deepEqual(publicJwks.keys[place], {
      kty: 'EC',
      crv: 'P-256',
      x: jwk.x,
      y: jwk.y,
      kid: jwk.kid,
      alg: 'ES256',
      use: 'sig',
    })
    assert(!JSON.stringify(publicJwks).includes(String(jwk.d)))
  }
})

test('key sets that cannot work are refused, and no message holds a key', () => {
  const { kid: _kid, ...nameless } = ours
  const sets: readonly (readonly TokenJwk[])[] = [
    [],
    [nameless as TokenJwk],
    [ours, theirs],
    [{ ...ours, d: String(older.d) }],
    [{ ...ours, x: 'AAAA' }],
    [{ ...ours, crv: 'P-384' }],
    [{ ...ours, kty: 'RSA' }],
  ]
  for (const jwks of sets) {
    assert.throws(
      () => readTokenKeys(jwks),
      (error: Error) => !error.message.includes(String(ours.d)) && /key/.test(error.message),
    )
  }
})

test('who has public keys alone verifies as well, and does not start to sign', async () => {
  const { d: _private, ...publicOnly } = ours
  const { accessToken } = await world().issue(who)
  const keys = readVerifyingKeys([publicOnly])
  const verify = verifierOf({ keys, issuer, audience, clock: { now: () => start } })
  assert.equal((await verify(accessToken)).userId, userId)
  assert.deepEqual(keys.publicJwks, readTokenKeys([ours]).publicJwks)
  assert.throws(
    () => readTokenKeys([publicOnly, older]),
    (error) => error instanceof StartRefused && /give it the private key/.test(error.message),
  )
  assert.equal(readTokenKeys([older, publicOnly]).signing.kid, older.kid)
})

function base64(text: string): string {
  return Buffer.from(text).toString('base64url')
}

function isTokenInvalid(error: unknown): boolean {
  return error instanceof AppError && error.code === 'token_invalid'
}

async function refused({ verify }: ReturnType<typeof world>, token: string): Promise<void> {
  // Twice: a refusal must not be remembered as a success either.
  await assert.rejects(verify(token), isTokenInvalid)
  await assert.rejects(verify(token), isTokenInvalid)
}
