import { createHmac } from 'node:crypto'
import type { Keys } from '../../keys.ts'

/** What servers of the API show at the auth layer's back door. */
export function backSecretOf(keys: Keys): string {
  return secretFor(keys, 'back door of the auth layer')
}

/** One key of the configuration gives others by a label: none tells anything of another. */
export function secretFor({ digestKey }: Keys, label: string): string {
  return createHmac('sha256', digestKey).update(`secret:${label}`).digest('base64url')
}
