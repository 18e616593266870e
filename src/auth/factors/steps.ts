import { HOTP, Secret } from 'otpauth'
import { SECOND } from '../../time.ts'
import type { Micros } from '../../time.ts'

/** What all apps do, and many do nothing else. @see RFC 6238 section 5.2, RFC 4226 section 5.3 */
export const algorithm = { algorithm: 'SHA1', digits: 6 } as const
export const STEP_SECONDS = 30n

/** A phone's clock may be so many steps off, and a code takes a while to type. */
const STEPS_OFF = 1n

/** 160 bits, as long as the hash. @see RFC 4226 section 4, R6 */
const SECRET_BYTES = 20

/** A secret that nobody has had, in base32, as people type it. */
export function newSecret(): string {
  return new Secret({ size: SECRET_BYTES }).base32
}

/** The step that runs at a time. @see RFC 6238 section 4.2 */
export function stepAt(now: Micros): bigint {
  return now / (STEP_SECONDS * SECOND)
}

/**
 * Which step a code is of, among those near `now` and after the last one that was taken; `null`
 * when it is of none. Pure.
 */
export function stepOf(
  ask: Readonly<{ secret: string; code: string; lastStep: bigint; now: Micros }>,
): bigint | null {
  const secret = Secret.fromBase32(ask.secret)
  const current = stepAt(ask.now)
  for (let step = current - STEPS_OFF; step <= current + STEPS_OFF; step += 1n) {
    if (step <= ask.lastStep) continue
    const counter = Number(step)
    const found = HOTP.validate({ ...algorithm, secret, token: ask.code, counter, window: 0 })
    if (found === 0) return step
  }
  return null
}
