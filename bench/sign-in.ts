import { createIssuer } from '../src/auth/tokens.ts'
import { readConfig } from '../src/config.ts'
import { newId, printId } from '../src/ids/ids.ts'
import type { UserId } from '../src/ids/ids.ts'
import { loadKeys } from '../src/keys.ts'
import { customerScopes } from '../src/scopes.ts'
import { systemClock } from '../src/time.ts'
import { readTokenKeys } from '../src/token-keys.ts'
import type { Customer } from './load/clients.ts'

/** Longer than any run. */
const TTL_SECONDS = 3_600

/** Signs access tokens as the auth layer with these settings would, without a password each. */
export async function signIn(
  settings: Readonly<Record<string, string>>,
  users: readonly UserId[],
): Promise<readonly Customer[]> {
  const config = readConfig(settings)
  const keys = readTokenKeys((await loadKeys(config)).tokenKeys)
  const names = { issuer: config.auth.url, audience: config.publicUrl }
  const issue = createIssuer({ keys, ...names, ttlSeconds: TTL_SECONDS, clock: systemClock })
  return await Promise.all(
    users.map(async (userId) => {
      const { accessToken } = await issue({
        userId,
        sessionId: newId('sess'),
        clientId: 'bench',
        scopes: customerScopes,
        authenticatedAt: systemClock.now(),
        methods: ['pwd'],
        roles: [],
      })
      return { id: printId('user', userId), token: accessToken }
    }),
  )
}
