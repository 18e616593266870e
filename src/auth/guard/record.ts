import type { Queryable } from '../../db/query.ts'
import { newId } from '../../ids/ids.ts'
import type { UserId } from '../../ids/ids.ts'
import type { Clock } from '../../time.ts'
import { insertEvent } from './store.ts'

/** What happens at the door, in words that never change their meaning. */
export const eventKinds = [
  'sign_up',
  'sign_in',
  'step_up',
  'sign_out',
  'session_revoked',
  'refresh_reused',
  'password_changed',
  'password_reset_asked',
  'password_reset',
  'passkey_added',
  'passkey_removed',
  'totp_added',
  'totp_removed',
  'recovery_codes_made',
  'factor_reset_asked',
  'factor_reset_cancelled',
  'factor_reset',
  'frozen',
  'thawed',
  'disconnected',
  'role_changed',
] as const

export type EventKind = (typeof eventKinds)[number]

/** Where it came from. `clientId` names the app. */
export type Whence = Readonly<{
  network: string | null
  device: string | null
  clientId: string | null
}>

export type AuthEvent = Whence &
  Readonly<{
    /** Null for an unknown login. */
    userId: UserId | null
    kind: EventKind
    outcome: 'done' | 'refused'
    /** Why, or which. Never a secret, never a login as it was typed. */
    facts: Readonly<Record<string, string | number>>
  }>

/** Writes down what happened. Nobody can change or take away a line of it. */
export type Recorder = (event: AuthEvent, tx?: Queryable) => Promise<void>

export function createRecorder(db: Queryable, clock: Clock): Recorder {
  return async (event, tx = db) => {
    await insertEvent(tx, { ...event, eventId: newId('event'), at: clock.now() })
  }
}

/** For whoever freezes users: writes down which of the staff did it. */
export function createFreezeNotes(record: Recorder) {
  return async (
    tx: Queryable,
    { userId, frozen, by }: Readonly<{ userId: UserId; frozen: boolean; by: Staff }>,
  ): Promise<void> => {
    const { name, ...whence } = by
    const kind = frozen ? 'frozen' : 'thawed'
    await record({ ...whence, userId, kind, outcome: 'done', facts: { by: name } }, tx)
  }
}

type Staff = Whence & Readonly<{ name: string }>
