import assert from 'node:assert/strict'
import { createPublicKey } from 'node:crypto'
import { after, before, test } from 'node:test'
import { SignJWT, UnsecuredJWT } from 'jose'
import { outsideIssuer, ownIssuer } from '../../../src/access/issuers.ts'
import { remoteKeys } from '../../../src/access/remote-keys.ts'
import { createVerifier } from '../../../src/access/tokens.ts'
import { makeRefreshToken } from '../../../src/auth/sessions/refresh-token.ts'
import { newId, printId } from '../../../src/ids/ids.ts'
import { SECOND } from '../../../src/time.ts'
import type { Micros } from '../../../src/time.ts'
import { readTokenKeys } from '../../../src/token-keys.ts'
import { makeJwk, names, signMachine } from '../../kit/auth.ts'
import { audience, startIssuer, tenantId } from '../../kit/issuer.ts'
import type { TestIssuer } from '../../kit/issuer.ts'
import { openDoor, PASSED } from '../door.ts'
import type { Door } from '../door.ts'
import { closed, knock, staffed } from './walk.ts'

/** The machine's clock: keys of outside issuers are kept by it. */
const nowMs = Date.now()
const now = (BigInt(nowMs) * 1_000n) as Micros
const iat = Number(now / SECOND)
const clock = { now: () => now }

const [jwk, other] = [makeJwk('ours'), makeJwk('theirs')]
const keys = readTokenKeys([jwk])
const foreign = readTokenKeys([other])
const userId = newId('user')
const me = printId('user', userId)

let door: Door
let theirs: TestIssuer
before(async () => {
  theirs = await startIssuer()
  const { issuer, jwksUri } = theirs
  const both = { issuer, audience, jwksUri, algorithms: ['RS256'] }
  const outside = { ...both, scopes: new Map(), roles: new Map(), tenantId, kind: 'entra' } as const
  const verifyToken = createVerifier({
    issuers: [ownIssuer({ keys, ...names }), outsideIssuer(outside, remoteKeys(jwksUri, clock))],
    denies: () => false,
    customerOf: async () => await Promise.resolve(userId),
    clock,
  })
  door = await openDoor({ quotas: null, verifyToken, clock })
})
after(async () => {
  await door.app.close()
  await theirs.close()
})

const scope = 'user:read user:write accounts:read accounts:write payments:read payments:write'
const good = {
  iss: names.issuer,
  aud: names.audience,
  sub: me,
  sid: printId('sess', newId('sess')),
  client_id: 'web',
  scope: `${scope} staff:read staff:write`,
  roles: ['operator'],
  auth_time: iat,
  jti: '1',
  iat,
  exp: iat + 300,
}
const head = { alg: 'ES256', typ: 'at+jwt', kid: 'ours' }

/** Signed with our key, so that nothing but what the name says is wrong. */
async function signed(claims: object = {}, header: object = {}): Promise<string> {
  return await new SignJWT({ ...good, ...claims })
    .setProtectedHeader({ ...head, ...header })
    .sign(keys.signing.key)
}

/** Signed with a key of the forger's own. */
async function forged(header: object = {}): Promise<string> {
  return await new SignJWT(good)
    .setProtectedHeader({ ...head, ...header })
    .sign(foreign.signing.key)
}

const base64 = (value: object | string) =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')

const ourPem = () =>
  createPublicKey({ key: { kty: jwk.kty, crv: jwk.crv, x: jwk.x, y: jwk.y }, format: 'jwk' })
    .export({ format: 'pem', type: 'spki' })
    .toString()

async function hmac(secret: string): Promise<string> {
  return await new SignJWT(good)
    .setProtectedHeader({ ...head, alg: 'HS256' })
    .sign(Buffer.from(secret))
}

async function parts(): Promise<readonly [string, string, string]> {
  const [header = '', payload = '', signature = ''] = (await signed()).split('.')
  return [header, payload, signature]
}

const [theirJwk] = foreign.publicJwks.keys

/** What a forger sends as the whole Authorization, or as its token. */
const forgeries: Readonly<Record<string, () => Promise<string>>> = {
  'alg none': async () => new UnsecuredJWT(good).encode(),
  'alg none under our header': async () => {
    const [, payload] = await parts()
    return `${base64({ ...head, alg: 'none' })}.${payload}.`
  },
  'alg nOnE with our signature': async () => {
    const [, payload, signature] = await parts()
    return `${base64({ ...head, alg: 'nOnE' })}.${payload}.${signature}`
  },
  'HS256 with our public key as the secret': async () => await hmac(ourPem()),
  'HS256 with our published JWK as the secret': async () =>
    await hmac(JSON.stringify(keys.publicJwks.keys[0])),
  'the key of another under our kid': async () => await forged(),
  'a jwk in the header': async () => await forged({ jwk: theirJwk }),
  'a jku in the header': async () => await forged({ jku: theirs.jwksUri.href, kid: 'key-1' }),
  'an x5u in the header': async () => await forged({ x5u: theirs.jwksUri.href }),
  'an x5c in the header': async () => await forged({ x5c: ['MIIB'] }),
  'an unknown kid': async () => await forged({ kid: 'nobody' }),
  'a kid that is a path': async () => await forged({ kid: '../../../../dev/null' }),
  'no kid': async () => await signed({}, { kid: undefined }),
  'the kid of an outside issuer': async () => await signed({}, { kid: 'key-1' }),
  'an unknown extension': async () =>
    await new SignJWT(good)
      .setProtectedHeader({ ...head, crit: ['exp'], exp: 1 })
      .sign(keys.signing.key, { crit: { exp: true } }),
  'typ JWT, as an ID token says': async () => await signed({}, { typ: 'JWT' }),
  'no typ': async () => await signed({}, { typ: undefined }),
  'an ID token of ours': async () =>
    await signed({ aud: 'web', nonce: 'n', scope: undefined }, { typ: undefined }),
  'another audience': async () => await signed({ aud: 'https://elsewhere.example' }),
  'no audience': async () => await signed({ aud: undefined }),
  'an unknown issuer': async () => await signed({ iss: 'https://evil.example' }),
  'an issuer that is a prefix of ours': async () => await signed({ iss: `${names.issuer}/` }),
  'an issuer that is a list with ours': async () => await signed({ iss: [names.issuer] }),
  'no issuer': async () => await signed({ iss: undefined }),
  'a key of an outside issuer under our name': async () =>
    await theirs.sign(good, { typ: 'at+jwt' }),
  'our key under an outside issuer’s name': async () =>
    await signed({ iss: theirs.issuer, aud: audience }, { typ: 'JWT' }),
  'an ID token of an outside issuer': async () =>
    await theirs.sign({ ...good, iss: theirs.issuer, aud: audience, ver: '2.0', tid: tenantId }),
  expired: async () => await signed({ iat: iat - 301, exp: iat - 1 }),
  'expired this second': async () => await signed({ exp: iat }),
  'no end': async () => await signed({ exp: undefined }),
  'an end that is a text': async () => await signed({ exp: `${iat + 300}` }),
  'not yet valid': async () => await signed({ nbf: iat + 60 }),
  'made in the future': async () => await signed({ iat: iat + 60 }),
  'a changed payload': async () => {
    const [header, , signature] = await parts()
    return `${header}.${base64({ ...good, sub: printId('user', newId('user')) })}.${signature}`
  },
  'a changed header': async () => {
    const [, payload, signature] = await parts()
    return `${base64({ ...head, x: 1 })}.${payload}.${signature}`
  },
  'no signature': async () => (await parts()).slice(0, 2).join('.'),
  'an empty signature': async () => `${(await parts()).slice(0, 2).join('.')}.`,
  'half a signature': async () => (await signed()).slice(0, -43),
  'the signature twice': async () => `${await signed()}.${(await parts())[2]}`,
  'four parts': async () => `${await signed()}.e30`,
  'padding behind': async () => `${await signed()}=`,
  'a space within': async () => (await signed()).replace('.', ' .'),
  'a tab behind': async () => `${await signed()}\t`,
  'plain base64': async () => (await parts()).map((part) => `${part}+/`).join('.'),
  'two tokens': async () => `${await signed()}, ${await signed()}`,
  'two schemes': async () => `${await signed()}, Bearer ${await signed()}`,
  'beyond measure': async () => await signed({ filler: 'x'.repeat(7_000) }),
  'a sub in the inside form': async () => await signed({ sub: userId }),
  'a sub of another kind': async () => await signed({ sub: printId('bank', userId) }),
  'a sub in capitals': async () => await signed({ sub: me.toUpperCase() }),
  'a sub that is a list': async () => await signed({ sub: [me] }),
  'no sub': async () => await signed({ sub: undefined }),
  'no session, although somebody signed in': async () => await signed({ sid: undefined }),
  'a session of another form': async () => await signed({ sid: userId }),
  'bound to a key that is not shown': async () => await signed({ cnf: { jkt: 'x' } }),
  'a refresh token': async () => await Promise.resolve(makeRefreshToken(userId)),
  'a payload that is a list': async () => {
    const [header, , signature] = await parts()
    return `${header}.${base64([good])}.${signature}`
  },
  'a payload that is no JSON': async () => {
    const [header, , signature] = await parts()
    return `${header}.${base64('{"iss":')}.${signature}`
  },
}

/** What is open to staff is not one's own: there, the good token is refused for who it is. */
function isStaffed(walked: (typeof closed)[number]): boolean {
  return staffed.includes(walked)
}

test('the token that the forgeries start from opens every route', async () => {
  const authorization = `Bearer ${await signed()}`
  for (const walked of closed) {
    const owner = isStaffed(walked) ? printId('user', newId('user')) : me
    assert.equal((await knock(door, walked, owner, authorization)).code, PASSED, walked.url)
  }
})

for (const [name, forge] of Object.entries(forgeries)) {
  test(`refused on every route: ${name}`, async () => {
    const authorization = `Bearer ${await forge()}`
    for (const walked of closed) {
      const owner = isStaffed(walked) ? printId('user', newId('user')) : me
      const { code, status, challenge } = await knock(door, walked, owner, authorization)
      assert.deepEqual([code, status], ['token_invalid', 401], walked.url)
      assert.equal(challenge, 'Bearer realm="farthing", error="invalid_token"')
    }
  })
}

const wrongHeaders: Readonly<Record<string, () => Promise<string>>> = {
  'no scheme': async () => await signed(),
  Basic: async () => `Basic ${base64(`${me}:x`)}`,
  DPoP: async () => `DPoP ${await signed()}`,
  'a scheme alone': async () => await Promise.resolve('Bearer'),
  'a colon': async () => `Bearer: ${await signed()}`,
  'a line within': async () => `Bearer ${(await signed()).replace('.', '.\u00a0')}`,
}

for (const [name, header] of Object.entries(wrongHeaders)) {
  test(`no Authorization of ours, refused on every route: ${name}`, async () => {
    const authorization = await header()
    for (const walked of closed) {
      assert.equal((await knock(door, walked, me, authorization)).code, 'token_invalid')
    }
  })
}

test('a token in the query, the body or a cookie is no token', async () => {
  const token = await signed()
  const places = [
    { url: `/v1/user/${me}?access_token=${token}` },
    { url: `/v1/user/${me}`, headers: { cookie: `access_token=${token}; Authorization=${token}` } },
    { method: 'POST', url: '/v1/transaction', payload: { access_token: token } },
  ] as const
  for (const place of places) {
    const answer = await door.app.inject(place)
    assert.equal(answer.json<Readonly<{ code: string }>>().code, 'unauthenticated')
  }
})

test('a service gets through to nothing that is somebody’s own', async () => {
  const authorization = `Bearer ${await signMachine(keys, scope.split(' '), now)}`
  for (const walked of closed) {
    if (walked.action === 'user.glance') continue
    const { code } = await knock(door, walked, me, authorization)
    assert.equal(code, 'action_forbidden', walked.url)
  }
})

test('tokens from everywhere have not made us read a key but from where it must be', () => {
  assert(theirs.reads() <= 1, `${theirs.reads()} reads`)
})
