import { hash } from 'node:crypto'
import { uuidText } from '../../ids/ids.ts'

/** 128 bits in the text form of a uuid, which PostgreSQL stores in sixteen bytes. */
export type Digest = string

/** An Idempotency-Key as it is stored: its hash, because a key may hold anything. */
export function digestKey(key: string): Digest {
  return uuidText(hash('sha256', key, 'hex'))
}

/**
 * What was asked, as it is compared. Keyed, because a request can hold what a plain hash would let
 * a reader of the table guess: a password, an account number, a six-digit code. Nobody hands us one
 * to be believed, so a key in front is enough; an HMAC, made for that, costs four times as much.
 */
export function fingerprint(secret: Uint8Array, ask: readonly unknown[]): Digest {
  const text = JSON.stringify(ask.map((part) => (typeof part === 'bigint' ? String(part) : part)))
  return uuidText(hash('sha256', asText(secret) + text, 'hex'))
}

/** Texts of the keys, of one length, so that no other key and text make the same. */
const keyTexts = new WeakMap<Uint8Array, string>()

function asText(secret: Uint8Array): string {
  const known = keyTexts.get(secret) ?? Buffer.from(secret).toString('hex')
  keyTexts.set(secret, known)
  return known
}

/** A key of our own for a step that must happen once. The first byte is one no header can carry. */
export function internalKey(step: string, subject: string): Digest {
  return digestKey(`\0${step}:${subject}`)
}
