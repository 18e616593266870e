import { createHmac, createSecretKey, hash } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { uuidText } from '../../ids/ids.ts'

/** 128 bits in the text form of a uuid, which PostgreSQL stores in sixteen bytes. */
export type Digest = string

/** An Idempotency-Key as it is stored: its hash, because a key may hold anything. */
export function digestKey(key: string): Digest {
  return uuidText(hash('sha256', key, 'hex'))
}

/**
 * What was asked, as it is compared. Keyed, because a request can hold what a plain hash would let
 * a reader of the table guess: a password, an account number, a six-digit code.
 */
export function fingerprint(secret: Uint8Array, ask: readonly unknown[]): Digest {
  const text = JSON.stringify(ask.map((part) => (typeof part === 'bigint' ? String(part) : part)))
  return uuidText(createHmac('sha256', prepared(secret)).update(text).digest('hex'))
}

/** Bytes are made into a key anew at each use, which costs six times what the hash does. */
const preparedKeys = new WeakMap<Uint8Array, KeyObject>()

function prepared(secret: Uint8Array): KeyObject {
  const known = preparedKeys.get(secret) ?? createSecretKey(secret)
  preparedKeys.set(secret, known)
  return known
}

/** A key of our own for a step that must happen once. The first byte is one no header can carry. */
export function internalKey(step: string, subject: string): Digest {
  return digestKey(`\0${step}:${subject}`)
}
