import type { ShownPasskey } from '../../../src/auth/factors/passkeys/authentication.ts'
import type { Passkey } from '../../../src/auth/factors/passkeys/store.ts'
import type { UserId } from '../../../src/ids/ids.ts'
import { testSite } from '../../kit/auth.ts'
import { createAuthenticator } from './authenticator.ts'
import type { Authenticator, Forgery } from './authenticator.ts'
import type { FreshDatabase } from '../../kit/database.ts'
import { whence, world } from './someone.ts'
import type { World } from './someone.ts'

const { origin } = testSite

/** Syncs its keys, and does not count. */
export const phone = () => createAuthenticator({ origin, counts: false, synced: true })
/** Counts, and gives its keys to nobody. */
export const stick = () => createAuthenticator({ origin, counts: true, synced: false })

/** A question that anybody may answer. */
export const nobody = { binding: 'interaction-1', userId: null } as const

/** Makes a passkey and has it taken. */
export async function add(
  { factors, user }: World,
  device: Authenticator,
  forged: Forgery = {},
): Promise<Passkey> {
  const { userId } = user
  const options = await factors.passkeys.registrationOptions(userId)
  const ask = { userId, response: device.create(options, forged), name: 'My phone' }
  return await factors.passkeys.register(ask, whence)
}

/** Shows the passkey that was made last. */
export async function show(
  { factors }: World,
  device: Authenticator,
  forged: Forgery = {},
  question: Readonly<{ binding: string; userId: UserId | null }> = nobody,
): Promise<ShownPasskey> {
  const options = await factors.passkeys.authenticationOptions(question)
  const response = device.get(options, forged)
  return await factors.passkeys.authenticate({ ...question, response }, whence)
}

export type Holder = World & Readonly<{ device: Authenticator; passkey: Passkey; userId: UserId }>

/** Somebody with a passkey. */
export async function holder(database: FreshDatabase, device = phone()): Promise<Holder> {
  const here = await world(database)
  const passkey = await add(here, device)
  return { ...here, device, passkey, userId: here.user.userId }
}

/** What an authenticator keeps of whom a passkey is. */
export function handleOf(userId: UserId): string {
  return Buffer.from(userId.replaceAll('-', ''), 'hex').toString('base64url')
}
