import type {
  PublicKeyCredentialCreationOptionsJSON,
  PublicKeyCredentialRequestOptionsJSON,
} from '@simplewebauthn/server'
import { AppError } from '../../../errors.ts'
import type { UserId } from '../../../ids/ids.ts'
import type { Whence } from '../../guard/record.ts'
import { factorRemoved } from '../../recovery/messages.ts'
import { announce, changeFactors } from '../parts.ts'
import type { FactorParts } from '../parts.ts'
import { deleteIdleCodes } from '../store.ts'
import { authenticate, authenticationOptions } from './authentication.ts'
import type { Answer, Question, ShownPasskey } from './authentication.ts'
import { createChallenges } from './challenges.ts'
import { isCredentialId, nameForm } from './forms.ts'
import { register, registrationOptions } from './registration.ts'
import type { Registration } from './registration.ts'
import { deletePasskey, readPasskeys, renamePasskey } from './store.ts'
import type { Passkey } from './store.ts'

export type Passkeys = Readonly<{
  /** Oldest first. */
  list: (userId: UserId) => Promise<readonly Passkey[]>
  /**
   * What a browser needs to make a passkey: `navigator.credentials.create`. Good for five minutes.
   *
   * @throws AppError `passkey_refused` for who has 20.
   */
  registrationOptions: (userId: UserId) => Promise<PublicKeyCredentialCreationOptionsJSON>
  /**
   * Takes the passkey that the browser made.
   *
   * @throws AppError `passkey_refused`; `request_invalid` with field `/name`.
   */
  register: (ask: Registration, whence: Whence) => Promise<Passkey>
  /**
   * What a browser needs to show a passkey: `navigator.credentials.get`. Good for five minutes, and
   * for one answer that comes with the same `binding` and `userId`. With `null` any user may
   * answer, and the page tells nothing of who has which: ask for a user only once they are known.
   *
   * @throws AppError `factor_unknown` when the user has no passkey.
   */
  authenticationOptions: (question: Question) => Promise<PublicKeyCredentialRequestOptionsJSON>
  /**
   * Takes the browser's answer. A refusal is recorded, as a refused sign-in; what it opens is the
   * caller's to record. Whether the directory lets the user in stays to be asked.
   *
   * @throws AppError `passkey_refused`
   */
  authenticate: (answer: Answer, whence: Whence) => Promise<ShownPasskey>
  /** @throws AppError `factor_unknown`; `request_invalid` with field `/name`. */
  rename: (userId: UserId, credentialId: string, name: string) => Promise<void>
  /**
   * Takes a passkey off; with the last second factor go the recovery codes.
   *
   * @throws AppError `factor_unknown`
   */
  remove: (userId: UserId, credentialId: string, whence: Whence) => Promise<void>
}>

/** Passkeys, in the table `passkey`. @see WebAuthn Level 3 */
export function createPasskeys(parts: FactorParts): Passkeys {
  const { pool, clock } = parts
  const challenges = createChallenges(pool, clock)

  async function list(userId: UserId): Promise<readonly Passkey[]> {
    const passkeys = await readPasskeys(pool, userId)
    return passkeys.map(asSeen)
  }

  async function rename(userId: UserId, credentialId: string, text: string): Promise<void> {
    const ask = { userId, credentialId, name: nameForm(text) }
    const known = isCredentialId(credentialId) && (await renamePasskey(pool, ask))
    if (!known) throw new AppError('factor_unknown')
  }

  async function remove(userId: UserId, credentialId: string, whence: Whence): Promise<void> {
    if (!isCredentialId(credentialId)) throw new AppError('factor_unknown')
    await changeFactors(pool, userId, async (tx) => {
      if (!(await deletePasskey(tx, userId, credentialId))) throw new AppError('factor_unknown')
      await deleteIdleCodes(tx, userId)
      const removed = { userId, kind: 'passkey_removed', whence, facts: { credentialId } } as const
      await announce(parts, tx, removed, factorRemoved('a passkey'))
    })
  }

  return {
    list,
    registrationOptions: async (userId) => await registrationOptions(parts, challenges, userId),
    register: async (ask, whence) => {
      const name = nameForm(ask.name)
      return asSeen(await register(parts, challenges, { ...ask, name }, whence))
    },
    authenticationOptions: async (question) =>
      await authenticationOptions(parts, challenges, question),
    authenticate: async (answer, whence) => await authenticate(parts, challenges, answer, whence),
    rename,
    remove,
  }
}

function asSeen({ credentialId, name, backedUp, createdAt, usedAt }: Passkey): Passkey {
  return { credentialId, name, backedUp, createdAt, usedAt }
}
