import type { Queryable } from '../../db/query.ts'
import type { UserId } from '../../ids/ids.ts'
import { lockUser } from '../../users/store.ts'
import { createAttempts } from './attempts.ts'
import type { FactorParts } from './parts.ts'
import { createPasskeys } from './passkeys/passkeys.ts'
import type { Passkeys } from './passkeys/passkeys.ts'
import { createRecoveryCodes } from './recovery-codes.ts'
import type { RecoveryCodes } from './recovery-codes.ts'
import type { CodeMethod, SecondFactors } from './second-factors.ts'
import { deleteFactors, readFactors } from './store.ts'
import { createTotp, digitsOf } from './totp.ts'
import type { Totp } from './totp.ts'

/** All that a user can show beside the password. */
export type Factors = SecondFactors &
  Readonly<{
    totp: Totp
    recoveryCodes: RecoveryCodes
    passkeys: Passkeys
    /** Takes all of them off, recovery codes too. The caller records it. */
    removeAll: (tx: Queryable, userId: UserId) => Promise<void>
  }>

/** Longer texts are no codes, however they are spaced. */
const CODE_MAX = 64

export function createFactors(parts: FactorParts): Factors {
  const totp = createTotp(parts)
  const recoveryCodes = createRecoveryCodes(parts)
  const attempts = createAttempts(parts.pool, parts.clock)

  async function isRight(method: CodeMethod, userId: UserId, code: string): Promise<boolean> {
    if (code.length > CODE_MAX) return false
    const { use } = method === 'otp' ? totp : recoveryCodes
    return await use(userId, code)
  }

  return {
    totp,
    recoveryCodes,
    passkeys: createPasskeys(parts),
    enrolled: async (userId) => await readFactors(parts.pool, userId),
    useCode: async (userId, code, { network }) => {
      const method = methodOf(code)
      return await attempts({ method, userId, network }, async () =>
        (await isRight(method, userId, code)) ? method : null,
      )
    },
    removeAll: async (tx, userId) => {
      await lockUser(tx, userId)
      await deleteFactors(tx, userId)
    },
  }
}

/** By its shape a code is of the one kind or the other, so no attempt counts for both. */
function methodOf(code: string): CodeMethod {
  return code.length <= CODE_MAX && /^\d{6}$/.test(digitsOf(code)) ? 'otp' : 'rc'
}
