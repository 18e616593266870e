import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import type {
  AuthenticationResponseJSON,
  PublicKeyCredentialCreationOptionsJSON,
  PublicKeyCredentialRequestOptionsJSON,
  RegistrationResponseJSON,
} from '@simplewebauthn/server'

/** What a browser or an authenticator does wrong. */
export type Forgery = Partial<
  Readonly<{
    origin: string
    rpId: string
    type: string
    challenge: string
    crossOrigin: boolean
    /** False: nobody gave a finger or a PIN. */
    verified: boolean
    /** False: nobody touched it. */
    present: boolean
    counter: number
    /** Null: none is given. */
    userHandle: string | null
    credentialId: string
    /** One bit of the signature. */
    tampered: boolean
    /** The attestation's format, with a statement that holds a certificate. */
    certified: string
    transports: unknown
    algorithm: number
  }>
>

export type Authenticator = Readonly<{
  create: (
    options: PublicKeyCredentialCreationOptionsJSON,
    forged?: Forgery,
  ) => RegistrationResponseJSON
  /** Signs with the passkey that was made last, or with the one whose id is given. */
  get: (
    options: PublicKeyCredentialRequestOptionsJSON,
    forged?: Forgery,
  ) => AuthenticationResponseJSON
}>

type Held = { id: string; privateKey: KeyObject; userHandle: string; counter: number }

/**
 * A browser and its authenticator, in software: it makes and shows passkeys as WebAuthn Level 3
 * tells, with ES256 and no attestation. `counts` says whether it counts what it signs, `synced`
 * whether its keys are copied to other devices.
 */
export function createAuthenticator(
  at: Readonly<{ origin: string; counts: boolean; synced: boolean }>,
): Authenticator {
  const held = new Map<string, Held>()
  let last: string | null = null

  function clientData(type: string, challenge: string, forged: Forgery): Buffer {
    const { origin = at.origin, crossOrigin = false } = forged
    const said = { type: forged.type ?? type, challenge: forged.challenge ?? challenge }
    return Buffer.from(JSON.stringify({ ...said, origin, crossOrigin }))
  }

  /** Section 6.1: the hash of the RP's id, flags, and the counter. */
  function authData(rpId: string, counter: number, forged: Forgery, attested: boolean): Buffer {
    const present = forged.present === false ? 0 : 0x01
    const verified = forged.verified === false ? 0 : 0x04
    const synced = at.synced ? 0x08 | 0x10 : 0
    const head = Buffer.alloc(5)
    head.writeUInt8(present | verified | synced | (attested ? 0x40 : 0))
    head.writeUInt32BE(forged.counter ?? counter, 1)
    return Buffer.concat([sha256(Buffer.from(forged.rpId ?? rpId)), head])
  }

  return {
    create: (options, forged = {}) => {
      const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
      const { x = '', y = '' } = publicKey.export({ format: 'jwk' })
      const id = forged.credentialId ?? randomBytes(20).toString('base64url')
      const credential = { id, privateKey, userHandle: options.user.id, counter: 0 }
      held.set(id, credential)
      last = id
      const idBytes = Buffer.from(id, 'base64url')
      const length = Buffer.alloc(2)
      length.writeUInt16BE(idBytes.length)
      const cose = new Map<number, number | Buffer>([
        [1, 2],
        [3, forged.algorithm ?? -7],
        [-1, 1],
        [-2, Buffer.from(x, 'base64url')],
        [-3, Buffer.from(y, 'base64url')],
      ])
      const aaguid = Buffer.alloc(16)
      const head = authData(options.rp.id ?? '', 0, forged, true)
      const attested = Buffer.concat([head, aaguid, length, idBytes, cbor(cose)])
      const statement = new Map(forged.certified ? [['x5c', cborless]] : [])
      const attestation = new Map<string, Cbor>([
        ['fmt', forged.certified ?? 'none'],
        ['attStmt', statement],
        ['authData', attested],
      ])
      return {
        ...envelope(id),
        response: {
          clientDataJSON: base64url(clientData('webauthn.create', options.challenge, forged)),
          attestationObject: base64url(cbor(attestation)),
          transports: (forged.transports ?? ['internal']) as string[],
        },
      }
    },
    get: (options, forged = {}) => {
      const credential = held.get(forged.credentialId ?? last ?? '')
      if (!credential) throw new Error('the authenticator has no such passkey')
      if (at.counts) credential.counter += 1
      const data = clientData('webauthn.get', options.challenge, forged)
      const auth = authData(options.rpId ?? '', credential.counter, forged, false)
      const signature = sign('sha256', Buffer.concat([auth, sha256(data)]), credential.privateKey)
      if (forged.tampered) signature.writeUInt8(signature.readUInt8(20) ^ 1, 20)
      const handle = forged.userHandle === undefined ? credential.userHandle : forged.userHandle
      return {
        ...envelope(credential.id),
        response: {
          clientDataJSON: base64url(data),
          authenticatorData: base64url(auth),
          signature: base64url(signature),
          ...(handle !== null && { userHandle: handle }),
        },
      }
    },
  }
}

const cborless = Buffer.from('no certificate')

function envelope(id: string) {
  return { id, rawId: id, type: 'public-key' as const, clientExtensionResults: {} }
}

function base64url(bytes: Buffer): string {
  return bytes.toString('base64url')
}

function sha256(bytes: Buffer): Buffer {
  return createHash('sha256').update(bytes).digest()
}

type Cbor = number | string | Buffer | Map<number | string, Cbor>

/** As much of CBOR as an attestation needs. @see RFC 8949 section 3 */
function cbor(value: Cbor): Buffer {
  if (typeof value === 'number') return value < 0 ? head(1, -1 - value) : head(0, value)
  if (typeof value === 'string') {
    const bytes = Buffer.from(value)
    return Buffer.concat([head(3, bytes.length), bytes])
  }
  if (Buffer.isBuffer(value)) return Buffer.concat([head(2, value.length), value])
  const members = [...value].flatMap(([name, member]) => [cbor(name), cbor(member)])
  return Buffer.concat([head(5, value.size), ...members])
}

function head(major: number, argument: number): Buffer {
  if (argument < 24) return Buffer.from([(major << 5) | argument])
  if (argument < 0x100) return Buffer.from([(major << 5) | 24, argument])
  return Buffer.from([(major << 5) | 25, argument >> 8, argument & 0xff])
}
