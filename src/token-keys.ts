import { createPrivateKey, createPublicKey, sign, verify } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { StartRefused } from './errors.ts'
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

/** What a process needs that only verifies. */
export type VerifyingKeys = Readonly<{
  /** By `kid`. */
  verifying: ReadonlyMap<string, KeyObject>
  /** What may be published: a JWK Set without anything private. */
  publicJwks: Readonly<{ keys: readonly PublicJwk[] }>
}>

export type TokenKeys = VerifyingKeys &
  Readonly<{ signing: Readonly<{ kid: string; key: KeyObject }> }>

/**
 * Keys ready for use. The first signs, all verify, all are published. The second is the next to
 * sign, known everywhere before it does: to change keys it moves to the front and a new one is
 * added, and the old one leaves after the last token it signed has ended.
 *
 * @throws Error naming the key by its place, never by its content.
 * @throws StartRefused when the first is not private: this process could sign nothing.
 */
export function readTokenKeys(jwks: readonly TokenJwk[]): TokenKeys {
  const keys = readVerifyingKeys(jwks)
  const [first] = jwks
  if (first?.d === undefined) {
    throw new StartRefused(
      'The first token key is a public one, and this process signs tokens: give it the private key.',
    )
  }
  return { ...keys, signing: { kid: first.kid, key: importPrivate(first, 'token key 1') } }
}

/**
 * The keys for a process that only verifies: a private part may be missing, and is not kept.
 *
 * @throws Error naming the key by its place, never by its content.
 */
export function readVerifyingKeys(jwks: readonly TokenJwk[]): VerifyingKeys {
  const keys = jwks.map((jwk, place) => readKey(jwk, `token key ${place + 1}`))
  if (keys.length === 0) throw new Error('There is no token key')
  if (new Set(keys.map(({ kid }) => kid)).size < keys.length) {
    throw new Error('Two token keys have the same kid')
  }
  return {
    verifying: new Map(keys.map(({ kid, publicKey }) => [kid, publicKey])),
    publicJwks: { keys: keys.map(({ publicJwk }) => publicJwk) },
  }
}

function readKey(jwk: TokenJwk, name: string) {
  const { kty, crv, x, y, d, kid } = jwk
  if (kty !== 'EC' || crv !== 'P-256' || !x || !y || !kid) {
    throw new Error(`The ${name} is not an EC key on P-256 with a kid`)
  }
  const publicKey = readable(name, () =>
    createPublicKey({ key: { kty, crv, x, y }, format: 'jwk' }),
  )
  // Nobody else checks that the halves belong together: such tokens would simply never verify.
  const probe = Buffer.from('farthing')
  const signs = (key: KeyObject) => verify('sha256', probe, publicKey, sign('sha256', probe, key))
  if (d !== undefined && !signs(importPrivate(jwk, name))) {
    throw new Error(`The ${name} is not one pair`)
  }
  const publicJwk: PublicJwk = { kty, crv, x, y, kid, alg: 'ES256', use: 'sig' }
  return { kid, publicKey, publicJwk }
}

function importPrivate({ kty, crv, x, y, d = '' }: TokenJwk, name: string): KeyObject {
  return readable(name, () => createPrivateKey({ key: { kty, crv, x, y, d }, format: 'jwk' }))
}

function readable(name: string, importKey: () => KeyObject): KeyObject {
  try {
    return importKey()
  } catch {
    // OpenSSL's own error may quote what it read, so it is not passed on as the cause.
    throw new Error(`The ${name} cannot be read`)
  }
}
