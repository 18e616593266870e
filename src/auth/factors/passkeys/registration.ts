import { generateRegistrationOptions, verifyRegistrationResponse } from '@simplewebauthn/server'
import { decodeAttestationObject } from '@simplewebauthn/server/helpers'
import type {
  PublicKeyCredentialCreationOptionsJSON,
  RegistrationResponseJSON,
} from '@simplewebauthn/server'
import { AppError } from '../../../errors.ts'
import type { UserId } from '../../../ids/ids.ts'
import { findUser } from '../../../users/find.ts'
import type { Whence } from '../../guard/record.ts'
import { factorAdded } from '../../recovery/messages.ts'
import { accountName, announce, changeFactors, HOUSE } from '../parts.ts'
import type { FactorParts } from '../parts.ts'
import { TIMEOUT_MS } from './challenges.ts'
import type { Challenges, Errand } from './challenges.ts'
import { handleOf } from './forms.ts'
import { countPasskeys, insertPasskey, readPasskeys } from './store.ts'
import type { Passkey, StoredPasskey } from './store.ts'

/** More than anybody has devices. */
const PASSKEYS_MAX = 20

/** EdDSA, ES256, RS256: what authenticators have. @see RFC 9053 section 2, RFC 8812 section 2 */
const ALGORITHMS = [-8, -7, -257]

/** An RSA key of 8192 bits takes half of it. */
const PUBLIC_KEY_BYTES_MAX = 2_048

/** What authenticators are known to be reached by; a response may claim anything. */
const known: ReadonlySet<string> = new Set([
  'ble',
  'cable',
  'hybrid',
  'internal',
  'nfc',
  'smart-card',
  'usb',
])

const errandOf = (userId: UserId): Errand => ({
  purpose: 'passkey-registration',
  userId,
  binding: null,
})

export type Registration = Readonly<{ userId: UserId; response: unknown; name: string }>

/** @see Passkeys.registrationOptions */
export async function registrationOptions(
  { pool, site }: FactorParts,
  challenges: Challenges,
  userId: UserId,
): Promise<PublicKeyCredentialCreationOptionsJSON> {
  const [user, passkeys] = await Promise.all([findUser(pool, userId), readPasskeys(pool, userId)])
  if (!user) throw new AppError('user_unknown')
  if (passkeys.length >= PASSKEYS_MAX) throw tooMany()
  return await generateRegistrationOptions({
    rpName: HOUSE,
    rpID: site.rpId,
    userID: handleOf(userId),
    userName: accountName(user),
    userDisplayName: user.displayName,
    challenge: await challenges.handOut(errandOf(userId)),
    timeout: TIMEOUT_MS,
    // Which make it is says nothing that we act on, and asking for it frightens people.
    attestationType: 'none',
    excludeCredentials: passkeys.map(({ credentialId, transports }) => ({
      id: credentialId,
      transports: [...transports],
    })),
    authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
    supportedAlgorithmIDs: ALGORITHMS,
  })
}

/** @see Passkeys.register */
export async function register(
  parts: FactorParts,
  challenges: Challenges,
  { userId, response, name }: Registration,
  whence: Whence,
): Promise<Passkey> {
  const challenge = await challenges.takeBack(errandOf(userId), response)
  const passkey = {
    ...(await verify(parts, challenge, response)),
    name,
    createdAt: parts.clock.now(),
    usedAt: null,
  }
  await changeFactors(parts.pool, userId, async (tx) => {
    if ((await countPasskeys(tx, userId)) >= PASSKEYS_MAX) throw tooMany()
    await insertPasskey(tx, userId, passkey)
    const facts = { credentialId: passkey.credentialId }
    const added = { userId, kind: 'passkey_added', whence, facts } as const
    await announce(parts, tx, added, factorAdded('a passkey'))
  })
  return passkey
}

type Verified = Omit<StoredPasskey, 'name' | 'createdAt' | 'usedAt'>

/** @throws AppError `passkey_refused`; the library's error is its cause. */
async function verify(
  { site }: FactorParts,
  challenge: string,
  response: unknown,
): Promise<Verified> {
  try {
    // Of its shape nothing is known yet: whatever is not as it must be throws a plain error.
    const made = response as RegistrationResponseJSON
    refuseCertificates(made.response.attestationObject)
    const { verified, registrationInfo } = await verifyRegistrationResponse({
      response: made,
      expectedChallenge: challenge,
      expectedOrigin: site.origin,
      expectedRPID: site.rpId,
      requireUserPresence: true,
      requireUserVerification: true,
      supportedAlgorithmIDs: ALGORITHMS,
    })
    if (!verified) throw new Error('the attestation is not signed by what it names')
    const { credential, credentialBackedUp } = registrationInfo
    const { id, publicKey, counter, transports } = credential
    if (publicKey.length > PUBLIC_KEY_BYTES_MAX) throw new Error('the public key is too long')
    return {
      credentialId: id,
      publicKey: Buffer.from(publicKey),
      counter: BigInt(counter),
      transports: knownAmong(transports),
      backedUp: credentialBackedUp,
    }
  } catch (cause) {
    throw new AppError('passkey_refused', {}, { cause })
  }
}

/**
 * We asked for no attestation. One with certificates is refused before it is looked at: to check
 * them the library would ask servers for lists of revoked ones.
 */
function refuseCertificates(attestationObject: string): void {
  const bytes = new Uint8Array(Buffer.from(attestationObject, 'base64url'))
  const object = decodeAttestationObject(bytes)
  const format = object.get('fmt')
  const bySelf = format === 'packed' && object.get('attStmt').get('x5c') === undefined
  if (format !== 'none' && !bySelf) throw new Error('an attestation nobody asked for')
}

function knownAmong(transports: unknown): readonly string[] {
  const claimed: readonly unknown[] = Array.isArray(transports) ? transports : []
  return [...known].filter((transport) => claimed.includes(transport))
}

function tooMany(): AppError {
  return new AppError('passkey_refused', { why: `at most ${PASSKEYS_MAX} passkeys` })
}
