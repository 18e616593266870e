import type { AuthLayer } from '../access/auth-layer.ts'
import { createBuiltinDirectory } from '../auth/directories/builtin.ts'
import { createPasswords } from '../auth/directories/passwords.ts'
import { noFactors } from '../auth/factors/no-factors.ts'
import { createRecorder } from '../auth/guard/record.ts'
import { createThrottle, unthrottled } from '../auth/guard/throttle.ts'
import { createSessions } from '../auth/sessions/sessions.ts'
import { createSignIn } from '../auth/sign-in.ts'
import { createIssuer } from '../auth/tokens.ts'
import type { Pool } from '../db/pool.ts'
import { createAuthLayer } from '../provider/layer.ts'
import type { Clock } from '../time.ts'
import { readTokenKeys } from '../token-keys.ts'
import type { Site } from './build.ts'

/** The auth layer, all but its door. */
export function buildAuth({ config, keys }: Site, pool: Pool, clock: Clock): AuthLayer {
  const directory = createBuiltinDirectory({ db: pool, passwords: createPasswords(config.argon2) })
  const record = createRecorder(pool, clock)
  const { tokenTtlSeconds } = config
  const issueToken = createIssuer({
    keys: readTokenKeys(keys.tokenKeys),
    issuer: config.auth.url,
    audience: config.publicUrl,
    ttlSeconds: tokenTtlSeconds,
    clock,
  })
  const throttle = config.rateLimits ? createThrottle(clock) : unthrottled
  return createAuthLayer({
    sessions: createSessions({ pool, directory, issueToken, tokenTtlSeconds, clock }),
    signIn: createSignIn({ db: pool, directory, factors: noFactors, throttle, record }),
    record,
    enrolling: { pool, clock, digestKey: keys.digestKey, directory },
  })
}
