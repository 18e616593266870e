import assert from 'node:assert/strict'
import { HOTP, Secret } from 'otpauth'
import { SECOND } from '../../../src/time.ts'
import type { Clock } from '../../../src/time.ts'

/** What the app shows next: each code once, the first from half a minute ago. */
export type NextCode = () => string

const STEP = 30n * SECOND

/** An authenticator app that somebody has typed the key on this page into. */
export function codesOn(html: string, clock: Clock): NextCode {
  const key = /<code>([A-Z2-7 ]+)<\/code>/.exec(html)?.[1]
  const secret = Secret.fromBase32(key?.replaceAll(' ', '') ?? assert.fail(`no key in:\n${html}`))
  let last = -1n
  return () => {
    const earliest = clock.now() / STEP - 1n
    last = last + 1n > earliest ? last + 1n : earliest
    return HOTP.generate({ secret, algorithm: 'SHA1', digits: 6, counter: Number(last) })
  }
}
