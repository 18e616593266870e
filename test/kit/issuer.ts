import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import type { CryptoKey, JWK } from 'jose'

export const tenantId = '8f2f3b1c-0f3a-4a52-9d3e-6f1b2c3d4e5f'
/** The client id of our API over there. */
export const audience = '11111111-2222-3333-4444-555555555555'

type Key = Readonly<{ kid: string; privateKey: CryptoKey; publicJwk: JWK }>

export type Sign = (claims: object, header?: object) => Promise<string>

/** Somebody else's identity provider: a JWK Set over HTTP, and tokens signed with its keys. */
export type TestIssuer = Readonly<{
  issuer: string
  jwksUri: URL
  /** How often its keys were read. */
  reads: () => number
  /**
   * From now on it signs with another key. The one before is published no more, and signs what is
   * asked of the function that comes back.
   */
  rotate: () => Promise<Sign>
  /** It answers with this status from now on; 200 is well. */
  answerWith: (status: number) => void
  sign: Sign
  close: () => Promise<void>
}>

export async function startIssuer(): Promise<TestIssuer> {
  let count = 0
  let status = 200
  let key = await makeKey('key-1')
  const server = createServer((_request, response) => {
    count += 1
    response.writeHead(status, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ keys: [key.publicJwk] }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const origin = `http://localhost:${port}`
  let keys = 1
  return {
    issuer: `${origin}/${tenantId}/v2.0`,
    jwksUri: new URL(`${origin}/discovery/v2.0/keys`),
    reads: () => count,
    rotate: async () => {
      keys += 1
      const before = signWith(key)
      key = await makeKey(`key-${keys}`)
      return before
    },
    answerWith: (next) => {
      status = next
    },
    sign: async (claims, header) => await signWith(key)(claims, header),
    close: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

function signWith({ kid, privateKey }: Key): Sign {
  return async (claims, header = {}) =>
    await new SignJWT({ ...claims })
      .setProtectedHeader({ alg: 'RS256', typ: 'JWT', kid, ...header })
      .sign(privateKey)
}

async function makeKey(kid: string): Promise<Key> {
  const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true })
  return { kid, privateKey, publicJwk: { ...(await exportJWK(publicKey)), kid, use: 'sig' } }
}
