import { createPrivateKey, createPublicKey, sign, verify } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import type { TokenJwk } from './keys.ts'

export type PublicJwk = Readonly<{
  kty: 'EC'
  crv: 'P-256'
  x: string
  y: string
  kid: string
  alg: 'ES256'
  use: 'sig'
}>

export type TokenKeys = Readonly<{
  signing: Readonly<{ kid: string; key: KeyObject }>
  /** By `kid`. */
  verifying: ReadonlyMap<string, KeyObject>
  /** What may be published: a JWK Set without anything private. */
  publicJwks: Readonly<{ keys: readonly PublicJwk[] }>
}>

/**
 * Keys ready for use. The first signs, all verify, all are published: a new key is first added at
 * the end, then, when every server has it, moved to the front, and the old one leaves after the
 * last token it signed has ended.
 *
 * @throws Error naming the key by its place, never by its content.
 */
export function readTokenKeys(jwks: readonly TokenJwk[]): TokenKeys {
  const keys = jwks.map((jwk, place) => readKey(jwk, `token key ${place + 1}`))
  const [first] = keys
  if (!first) throw new Error('There is no token key')
  if (new Set(keys.map(({ kid }) => kid)).size < keys.length) {
    throw new Error('Two token keys have the same kid')
  }
  return {
    signing: { kid: first.kid, key: first.privateKey },
    verifying: new Map(keys.map(({ kid, publicKey }) => [kid, publicKey])),
    publicJwks: { keys: keys.map(({ publicJwk }) => publicJwk) },
  }
}

function readKey(jwk: TokenJwk, name: string) {
  const { kty, crv, x, y, d, kid } = jwk
  if (kty !== 'EC' || crv !== 'P-256' || !x || !y || !d || !kid) {
    throw new Error(`The ${name} is not a private EC key on P-256 with a kid`)
  }
  const privateKey = importKey({ kty, crv, x, y, d }, name)
  const publicKey = createPublicKey(privateKey)
  // Nobody else checks that the halves belong together: such tokens would simply never verify.
  const probe = Buffer.from('farthing')
  if (!verify('sha256', probe, publicKey, sign('sha256', probe, privateKey))) {
    throw new Error(`The ${name} is not one pair`)
  }
  const publicJwk: PublicJwk = { kty, crv, x, y, kid, alg: 'ES256', use: 'sig' }
  return { kid, privateKey, publicKey, publicJwk }
}

function importKey(key: Readonly<Record<string, string>>, name: string): KeyObject {
  try {
    return createPrivateKey({ key, format: 'jwk' })
  } catch {
    // OpenSSL's own error may quote what it read, so it is not passed on as the cause.
    throw new Error(`The ${name} cannot be read`)
  }
}
