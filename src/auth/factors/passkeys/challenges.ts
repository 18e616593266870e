import { hash, randomBytes } from 'node:crypto'
import type { Queryable } from '../../../db/query.ts'
import { AppError } from '../../../errors.ts'
import type { UserId } from '../../../ids/ids.ts'
import { after, MILLISECOND, MINUTE } from '../../../time.ts'
import type { Clock } from '../../../time.ts'
import { insertTicket, takeTicket } from '../../tickets/store.ts'

const CHALLENGE_BYTES = 32
const LIVES = 5n * MINUTE
/** The same for browsers, which end their question by themselves. */
export const TIMEOUT_MS = Number(LIVES / MILLISECOND)

/** What a challenge is for: it can be brought back by nobody else, and for nothing else. */
export type Errand = Readonly<{
  purpose: 'passkey-registration' | 'passkey-authentication'
  userId: UserId | null
  binding: string | null
}>

export type Challenges = Readonly<{
  handOut: (errand: Errand) => Promise<Uint8Array<ArrayBuffer>>
  /**
   * Takes back the challenge that a response says it answers; a second time there is none.
   *
   * @returns it in base64url, as the response must have signed it.
   * @throws AppError `passkey_refused` when it was not handed out for this, or too long ago.
   */
  takeBack: (errand: Errand, response: unknown) => Promise<string>
}>

/** Challenges that passkeys sign, in the table `auth_ticket`. */
export function createChallenges(db: Queryable, clock: Clock): Challenges {
  return {
    handOut: async (errand) => {
      const challenge = new Uint8Array(randomBytes(CHALLENGE_BYTES))
      const digest = digestOf(Buffer.from(challenge).toString('base64url'))
      await insertTicket(db, { ...errand, digest, expiresAt: after(clock.now(), LIVES) })
      return challenge
    },
    takeBack: async (errand, response) => {
      const challenge = challengeIn(response)
      const ticket = challenge === null ? null : { ...errand, digest: digestOf(challenge) }
      const taken = ticket !== null && (await takeTicket(db, ticket, clock.now()))
      if (challenge === null || !taken) throw new AppError('passkey_refused')
      return challenge
    },
  }
}

/**
 * What the client data says, before anything is checked; `null` when it says nothing. A page in a
 * frame of another site is refused: nobody knows what its user saw.
 */
function challengeIn(response: unknown): string | null {
  const text = textOf(memberOf(response, 'response'), 'clientDataJSON')
  if (text === null) return null
  let clientData: unknown
  try {
    clientData = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'))
  } catch {
    return null
  }
  return memberOf(clientData, 'crossOrigin') === true ? null : textOf(clientData, 'challenge')
}

/** A member of what may be no object at all. */
export function memberOf(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined
  return Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined
}

/** A member that is text; `null` when it is missing or something else. */
export function textOf(value: unknown, name: string): string | null {
  const member = memberOf(value, name)
  return typeof member === 'string' ? member : null
}

function digestOf(challenge: string): Buffer {
  return hash('sha256', challenge, 'buffer')
}
