import { generateKeyPairSync } from 'node:crypto'
import { createDenyList } from '../src/access/deny-list.ts'
import { ownIssuer } from '../src/access/issuers.ts'
import { createVerifier } from '../src/access/tokens.ts'
import { createIssuer } from '../src/auth/tokens.ts'
import { newId } from '../src/ids/ids.ts'
import { customerScopes } from '../src/scopes.ts'
import { systemClock } from '../src/time.ts'
import type { Micros } from '../src/time.ts'
import { readTokenKeys } from '../src/token-keys.ts'

const TOKENS = 2_000
const ROUNDS = 200

/** Nanoseconds for a token that was seen before, and for a new one. */
export type TokenCost = Readonly<{ hit: number; miss: number }>

/** What it costs to know who asks, behind a deny list with a thousand ends on it. */
export async function measureTokens(): Promise<TokenCost> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const { kty = '', crv = '', x = '', y = '', d = '' } = privateKey.export({ format: 'jwk' })
  const keys = readTokenKeys([{ kty, crv, x, y, d, kid: 'bench' }])
  const names = { issuer: 'http://auth.bench', audience: 'http://api.bench' }
  const clock = systemClock
  const issue = createIssuer({ keys, ...names, ttlSeconds: 3_600, clock })

  const tokens = await Promise.all(
    Array.from({ length: TOKENS }, async () => {
      const { accessToken } = await issue({
        userId: newId('user'),
        sessionId: newId('sess'),
        clientId: 'bench',
        scopes: customerScopes,
        authenticatedAt: clock.now(),
        methods: ['pwd'],
        roles: [],
      })
      return accessToken
    }),
  )

  /** A list with a thousand ends on it, none of them of these tokens; nothing is read anew. */
  const ended = Array.from({ length: 1_000 }, () => ({
    readAt: clock.now(),
    id: newId('event'),
    subject: newId('sess'),
    before: clock.now(),
    revokedAt: clock.now(),
    expiresAt: (clock.now() * 2n) as Micros,
  }))
  const db = { query: async () => await Promise.resolve({ rows: ended }) }
  const list = createDenyList({ db: db as never, clock, staleAfterMs: 600_000 })
  await list.start()

  const verify = createVerifier({
    issuers: [ownIssuer({ keys, ...names })],
    denies: list.denies,
    customerOf: async () => await Promise.reject(new Error('nobody comes from outside')),
    clock,
  })

  /** A text made anew each time, as one that came over the wire is. */
  async function cost(rounds: number): Promise<number> {
    const startedAt = process.hrtime.bigint()
    for (let round = 0; round < rounds; round += 1) {
      for (const token of tokens) await verify(Buffer.from(token).toString('latin1'))
    }
    return Number(process.hrtime.bigint() - startedAt) / (rounds * TOKENS)
  }

  const miss = await cost(1)
  await cost(20)
  const hit = await cost(ROUNDS)
  await list.stop()
  return { hit, miss }
}
