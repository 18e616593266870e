import { generateAuthenticationOptions, verifyAuthenticationResponse } from '@simplewebauthn/server'
import type {
  AuthenticationResponseJSON,
  PublicKeyCredentialRequestOptionsJSON,
} from '@simplewebauthn/server'
import { AppError } from '../../../errors.ts'
import type { UserId } from '../../../ids/ids.ts'
import { findUser } from '../../../users/find.ts'
import type { Whence } from '../../guard/record.ts'
import type { FactorParts } from '../parts.ts'
import { memberOf, textOf, TIMEOUT_MS } from './challenges.ts'
import type { Challenges, Errand } from './challenges.ts'
import { isCredentialId, ownerOf } from './forms.ts'
import { noteUse, readPasskey, readPasskeys } from './store.ts'
import type { StoredPasskey } from './store.ts'

/** `userId` is who is known already, by the password or a session; `null` when nobody is. */
export type Question = Readonly<{ binding: string; userId: UserId | null }>
export type Answer = Question & Readonly<{ response: unknown }>

/**
 * Who showed a passkey, and the methods that a session may claim: `hwk`, or `swk` where the key is
 * synced between devices; `user`, and `mfa`, because the authenticator asked for a finger, a face
 * or a PIN.
 */
export type ShownPasskey = Readonly<{
  userId: UserId
  credentialId: string
  methods: readonly string[]
}>

const errandOf = ({ binding, userId }: Question): Errand => ({
  purpose: 'passkey-authentication',
  userId,
  binding,
})

/** @see Passkeys.authenticationOptions */
export async function authenticationOptions(
  { pool, site }: FactorParts,
  challenges: Challenges,
  question: Question,
): Promise<PublicKeyCredentialRequestOptionsJSON> {
  const passkeys = question.userId === null ? [] : await readPasskeys(pool, question.userId)
  if (question.userId !== null && passkeys.length === 0) throw new AppError('factor_unknown')
  return await generateAuthenticationOptions({
    rpID: site.rpId,
    challenge: await challenges.handOut(errandOf(question)),
    // None listed: the authenticator shows those that it has for us.
    allowCredentials: passkeys.map(({ credentialId, transports }) => ({
      id: credentialId,
      transports: [...transports],
    })),
    timeout: TIMEOUT_MS,
    userVerification: 'required',
  })
}

type Claim = Readonly<{ userId: UserId; passkey: StoredPasskey }>

/** @see Passkeys.authenticate */
export async function authenticate(
  parts: FactorParts,
  challenges: Challenges,
  answer: Answer,
  whence: Whence,
): Promise<ShownPasskey> {
  const { pool, clock, record } = parts
  const challenge = await challenges.takeBack(errandOf(answer), answer.response)

  async function refuse(userId: UserId | null, why: string, cause?: unknown): Promise<never> {
    const facts = { why: `passkey ${why}` }
    await record({ ...whence, userId, kind: 'sign_in', outcome: 'refused', facts })
    throw new AppError('passkey_refused', {}, { cause })
  }

  const claim = await claimOf(parts, answer)
  if (!claim) return await refuse(answer.userId, 'unknown')
  const { userId, passkey } = claim
  const { credentialId } = passkey
  const verdict = await verify(parts, challenge, { response: answer.response, passkey })
  if ('cause' in verdict) return await refuse(userId, 'wrong', verdict.cause)
  const user = await findUser(pool, userId)
  if (!user || user.status === 'closed') return await refuse(userId, 'of a closed user')
  const { counter, backedUp, synced } = verdict
  const use = { userId, credentialId, counter, backedUp, now: clock.now() }
  if (!(await noteUse(pool, use))) return await refuse(userId, 'counter went back')
  return { userId, credentialId, methods: [synced ? 'swk' : 'hwk', 'user', 'mfa'] }
}

/**
 * Whose passkey a response says it is of. Found by user and credential together, so an id that
 * somebody else registered too opens only what is theirs.
 */
async function claimOf(
  { pool }: FactorParts,
  { userId: known, response }: Answer,
): Promise<Claim | null> {
  const credentialId = textOf(response, 'id')
  const handle = textOf(memberOf(response, 'response'), 'userHandle')
  const owner = handle === null ? known : ownerOf(handle)
  if (owner === null || (known !== null && owner !== known)) return null
  if (credentialId === null || !isCredentialId(credentialId)) return null
  const passkey = await readPasskey(pool, owner, credentialId)
  return passkey && { userId: owner, passkey }
}

type Verdict =
  Readonly<{ counter: number; backedUp: boolean; synced: boolean }> | Readonly<{ cause: unknown }>

async function verify(
  { site }: FactorParts,
  challenge: string,
  { response, passkey }: Readonly<{ response: unknown; passkey: StoredPasskey }>,
): Promise<Verdict> {
  try {
    const { verified, authenticationInfo } = await verifyAuthenticationResponse({
      // Of its shape nothing more is known yet: the check finds out.
      response: response as AuthenticationResponseJSON,
      expectedChallenge: challenge,
      expectedOrigin: site.origin,
      expectedRPID: site.rpId,
      credential: {
        id: passkey.credentialId,
        publicKey: new Uint8Array(passkey.publicKey),
        // Compared in the database, where two at once meet, and only behind a right signature.
        counter: 0,
      },
      requireUserVerification: true,
    })
    if (!verified) return { cause: null }
    const { newCounter, credentialBackedUp, credentialDeviceType } = authenticationInfo
    const synced = credentialDeviceType === 'multiDevice'
    return { counter: newCounter, backedUp: credentialBackedUp, synced }
  } catch (cause) {
    return { cause }
  }
}
