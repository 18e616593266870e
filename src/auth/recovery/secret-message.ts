import type { Queryable } from '../../db/query.ts'
import type { UserId } from '../../ids/ids.ts'
import type { Jobs } from '../../queue/jobs.ts'
import type { Clock } from '../../time.ts'
import { factorProof, factorResetAsked, resetLink } from './messages.ts'
import type { Text } from './messages.ts'
import { cancelToken, digestOfCodes, digestOfToken, factorCode, resetToken } from './secrets.ts'
import type { Seeded } from './secrets.ts'
import { readReset } from './store.ts'
import { readTicket } from '../tickets/store.ts'

export type SecretMessageParts = Readonly<{
  db: Queryable
  clock: Clock
  digestKey: Uint8Array
  /** Where the auth layer's pages are, without a slash at the end. */
  authUrl: string
}>

/** The page that a link opens. It shows a form, and acts only when that is sent: see `look`. */
export const RESET_PASSWORD_PATH = '/reset-password'
export const CANCEL_FACTOR_RESET_PATH = '/cancel-factor-reset'

/**
 * The job behind a link or a code: makes it anew and says it. Null when it opens nothing any more,
 * as when the queue was late, or another one took its place.
 */
export async function secretMessage(
  parts: SecretMessageParts,
  job: Jobs['send-secret'],
): Promise<Jobs['send-message'] | null> {
  const { channel, recipient } = job
  const userId = job.userId as UserId
  const text = await textOf(parts, job, { userId, seed: job.seed })
  return text && { userId, channel, recipient, ...text }
}

async function textOf(
  { db, clock, digestKey, authUrl }: SecretMessageParts,
  { kind, channel }: Jobs['send-secret'],
  seeded: Seeded,
): Promise<Text | null> {
  const now = clock.now()
  switch (kind) {
    case 'password-reset': {
      const token = resetToken(digestKey, seeded)
      const digest = digestOfToken(token)
      const stands = await readTicket(db, { digest, purpose: 'password-reset', now })
      return stands && resetLink(`${authUrl}${RESET_PASSWORD_PATH}?token=${token}`)
    }
    case 'factor-code': {
      const [email, phone] = (['email', 'phone'] as const).map((one) =>
        factorCode(digestKey, seeded, one),
      ) as [string, string]
      const digest = digestOfCodes(digestKey, seeded.userId, { email, phone })
      const stands = await readTicket(db, { digest, purpose: 'factor-proof', now })
      return stands && factorProof(channel === 'email' ? email : phone)(channel)
    }
    case 'factor-reset': {
      const token = cancelToken(digestKey, seeded)
      const reset = await readReset(db, seeded.userId)
      if (!reset?.digest.equals(digestOfToken(token))) return null
      const url = `${authUrl}${CANCEL_FACTOR_RESET_PATH}?token=${token}`
      return factorResetAsked({ readyAt: reset.readyAt, url })(channel)
    }
  }
}
