import type { UserId } from '../../ids/ids.ts'
import type { Whence } from '../guard/record.ts'

/** What a user has beside the password. */
export type SecondFactorsOf = Readonly<{ totp: boolean; passkeys: number; recoveryCodes: number }>

/** How a code was right: of the authenticator app, or a recovery code. @see RFC 8176 */
export type CodeMethod = 'otp' | 'rc'

export type SecondFactors = Readonly<{
  enrolled: (userId: UserId) => Promise<SecondFactorsOf>
  /**
   * Uses up a code of the user's authenticator app, or one of their recovery codes; `null` when it
   * is neither. No code is taken twice.
   *
   * @throws AppError `rate_limited` with `retryAfterSeconds` after too many wrong ones. No stranger
   * can bring that about: who calls this has seen the right password, or a session. Where a code
   * was right before, none elsewhere count.
   */
  useCode: (userId: UserId, code: string, whence: Whence) => Promise<CodeMethod | null>
}>

/** Whether someone has more than the password: then it alone opens nothing. */
export function needsSecond({ totp, passkeys }: SecondFactorsOf): boolean {
  return totp || passkeys > 0
}
