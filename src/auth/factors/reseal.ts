import type { Queryable } from '../../db/query.ts'
import { currentKeyId, seal, unseal } from '../../seal.ts'
import type { SealKeys } from '../../seal.ts'
import { readSealedByOtherKeys, replaceSeal } from './store.ts'
import type { Place } from './store.ts'
import { boundTo } from './totp.ts'

const ROWS_PER_BATCH = 500

/**
 * Seals every secret of an authenticator app anew that another key than the first one sealed. It
 * may be stopped anywhere and run again, also twice at once, while servers run.
 *
 * @returns How many were sealed anew.
 */
export async function resealSecrets(db: Queryable, keys: SealKeys): Promise<number> {
  const keyId = currentKeyId(keys)
  let total = 0
  let start: Place | null = null
  do {
    const limit = ROWS_PER_BATCH
    const secrets = await readSealedByOtherKeys(db, { keyId, start, limit })
    for (const secret of secrets) {
      const words = boundTo(secret.userId)
      const after = seal(keys, words, unseal(keys, words, secret.sealed))
      if (await replaceSeal(db, secret, after)) total += 1
    }
    start = secrets.length < limit ? null : (secrets.at(-1) ?? null)
  } while (start)
  return total
}
