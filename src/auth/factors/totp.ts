import { TOTP } from 'otpauth'
import { AppError } from '../../errors.ts'
import type { UserId } from '../../ids/ids.ts'
import { seal, unseal } from '../../seal.ts'
import { after, MINUTE } from '../../time.ts'
import { findUser } from '../../users/find.ts'
import type { Whence } from '../guard/record.ts'
import { factorAdded, factorRemoved } from '../recovery/messages.ts'
import { accountName, announce, changeFactors, HOUSE } from './parts.ts'
import type { FactorParts } from './parts.ts'
import { algorithm, newSecret, STEP_SECONDS, stepOf } from './steps.ts'
import * as store from './store.ts'

/** How long an app may take to be set up: what was on a screen for longer, others may have seen. */
const BEGUN_LIVES = 15n * MINUTE

/** `uri` is for the picture that apps scan, `secret` for who types it. Shown this once. */
export type BegunTotp = Readonly<{ uri: string; secret: string }>

export type Totp = Readonly<{
  /**
   * Makes a secret. Nobody is asked for its codes before `confirm`; until then the one before it
   * stays in use.
   */
  begin: (userId: UserId) => Promise<BegunTotp>
  /**
   * Takes the secret that was begun into use, in the place of the one before, once a code shows
   * that the app has it.
   *
   * @throws AppError `code_wrong`; `factor_unknown` when none was begun in the last 15 minutes.
   */
  confirm: (userId: UserId, code: string, whence: Whence) => Promise<void>
  /** Uses a code of six digits up; false when it is wrong, or was used. Counts nothing. */
  use: (userId: UserId, code: string) => Promise<boolean>
  /**
   * Takes the app off; with the last second factor go the recovery codes.
   *
   * @throws AppError `factor_unknown` when there is none.
   */
  remove: (userId: UserId, whence: Whence) => Promise<void>
}>

/** Authenticator apps, in the table `totp`. @see RFC 6238 */
export function createTotp(parts: FactorParts): Totp {
  const { pool, clock, sealKeys } = parts

  async function begin(userId: UserId): Promise<BegunTotp> {
    const user = await findUser(pool, userId)
    if (!user) throw new AppError('user_unknown')
    const secret = newSecret()
    const sealed = seal(sealKeys, boundTo(userId), secret)
    const now = clock.now()
    await changeFactors(pool, userId, async (tx) => {
      await store.beginTotp(tx, { userId, sealed, now })
    })
    const label = accountName(user)
    const period = Number(STEP_SECONDS)
    const app = new TOTP({ ...algorithm, issuer: HOUSE, label, period, secret })
    return { uri: app.toString(), secret }
  }

  // Its guesses are not counted: whoever may call this was shown the secret.
  async function confirm(userId: UserId, code: string, whence: Whence): Promise<void> {
    const now = clock.now()
    await changeFactors(pool, userId, async (tx) => {
      const begun = await store.readTotp(tx, userId, 'begun')
      if (!begun || begun.createdAt <= after(now, -BEGUN_LIVES)) {
        throw new AppError('factor_unknown')
      }
      const { sealed, lastStep } = begun
      const secret = unseal(sealKeys, boundTo(userId), sealed)
      const step = stepOf({ secret, code: digitsOf(code), lastStep, now })
      if (step === null) throw new AppError('code_wrong')
      await store.confirmTotp(tx, { userId, step, now })
      const added = { userId, kind: 'totp_added', whence, facts: {} } as const
      await announce(parts, tx, added, factorAdded('an authenticator app'))
    })
  }

  async function use(userId: UserId, code: string): Promise<boolean> {
    const stored = await store.readTotp(pool, userId, 'confirmed')
    if (!stored) return false
    const { sealed, lastStep, createdAt } = stored
    const secret = unseal(sealKeys, boundTo(userId), sealed)
    const step = stepOf({ secret, code: digitsOf(code), lastStep, now: clock.now() })
    return step !== null && (await store.takeStep(pool, { userId, step, createdAt }))
  }

  async function remove(userId: UserId, whence: Whence): Promise<void> {
    await changeFactors(pool, userId, async (tx) => {
      if (!(await store.deleteTotp(tx, userId))) throw new AppError('factor_unknown')
      await store.deleteIdleCodes(tx, userId)
      const removed = { userId, kind: 'totp_removed', whence, facts: {} } as const
      await announce(parts, tx, removed, factorRemoved('your authenticator app'))
    })
  }

  return { begin, confirm, use, remove }
}

/** What a secret is sealed to: it opens in nobody else's row. */
export function boundTo(userId: UserId): string {
  return `totp-secret:${userId}`
}

/** Apps show `123 456`. */
export function digitsOf(code: string): string {
  return code.replaceAll(/\s/g, '')
}
