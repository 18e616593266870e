import { createHmac, randomInt } from 'node:crypto'
import { AppError } from '../../errors.ts'
import type { UserId } from '../../ids/ids.ts'
import type { Whence } from '../guard/record.ts'
import { recoveryCodesMade } from '../recovery/messages.ts'
import { announce, changeFactors } from './parts.ts'
import type { FactorParts } from './parts.ts'
import { needsSecond } from './second-factors.ts'
import * as store from './store.ts'

const CODES = 10

/** Neither 0 and o nor 1, i and l; and no vowels, so that none spells a word. */
const ALPHABET = '23456789bcdfghjkmnpqrstvwxyz'
/** 57 bits. */
const CODE_LENGTH = 12
const GROUP_LENGTH = 4

export type RecoveryCodes = Readonly<{
  /**
   * Ten new codes in the place of those before, like `bcdf-2345-ghjk`. Shown this once.
   *
   * @throws AppError `factor_unknown` for who has no second factor that they could stand in for.
   */
  make: (userId: UserId, whence: Whence) => Promise<readonly string[]>
  /** Uses a code up, in any case and spacing; false when it is none. Counts nothing. */
  use: (userId: UserId, code: string) => Promise<boolean>
}>

/** Codes for who lost their second factors, in the table `recovery_code`. */
export function createRecoveryCodes(parts: FactorParts): RecoveryCodes {
  const { pool, clock, digestKey } = parts

  async function make(userId: UserId, whence: Whence): Promise<readonly string[]> {
    const codes = Array.from({ length: CODES }, newCode)
    const digests = codes.map((code) => digestOf(digestKey, userId, code))
    await changeFactors(pool, userId, async (tx) => {
      if (!needsSecond(await store.readFactors(tx, userId))) throw new AppError('factor_unknown')
      await store.replaceCodes(tx, { userId, digests, now: clock.now() })
      const made = { userId, kind: 'recovery_codes_made', whence, facts: {} } as const
      await announce(parts, tx, made, recoveryCodesMade())
    })
    return codes.map(inGroups)
  }

  async function use(userId: UserId, code: string): Promise<boolean> {
    const plain = plainForm(code)
    if (plain.length !== CODE_LENGTH) return false
    const digest = digestOf(digestKey, userId, plain)
    return await store.useUpCode(pool, { userId, digest, now: clock.now() })
  }

  return { make, use }
}

function newCode(): string {
  const letters = Array.from({ length: CODE_LENGTH }, () => ALPHABET[randomInt(ALPHABET.length)])
  return letters.join('')
}

function inGroups(code: string): string {
  return code.replaceAll(new RegExp(`.{${GROUP_LENGTH}}(?=.)`, 'g'), '$&-')
}

/** Without spaces and dashes: phones write long ones where two were typed. */
function plainForm(code: string): string {
  return code.replaceAll(/[\s\p{Dash}]/gu, '').toLowerCase()
}

/** The label keeps it apart from whatever else is hashed under the same key. */
function digestOf(digestKey: Uint8Array, userId: UserId, plain: string): Buffer {
  return createHmac('sha256', digestKey).update(`recovery-code:${userId}:${plain}`).digest()
}
