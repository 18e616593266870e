import { hash } from 'node:crypto'
import { errors } from 'oidc-provider'
import type { Adapter, AdapterFactory, AdapterPayload } from 'oidc-provider'
import type { Queryable } from '../../db/query.ts'
import { after, SECOND } from '../../time.ts'
import type { Clock, Micros } from '../../time.ts'
import { REUSE_TOLERANCE } from '../../auth/sessions/sessions.ts'
import * as store from './store.ts'
import { adapterInItsWords } from './unavailable.ts'
import type { StoredPayload } from './store.ts'

/** Whoever holds one of these by its name may use it: only a hash of the name is kept. */
const hashedKinds = new Set(['AuthorizationCode', 'RefreshToken'])

type AdapterParts = Readonly<{
  db: Queryable
  clock: Clock
  /** Hears of each grant that ends, once or more. */
  onGrantEnd: (grantId: string) => Promise<void>
}>

/** Keeps what the provider remembers in the table `oidc_payload`. */
export function createAdapter(parts: AdapterParts): AdapterFactory {
  return (kind) => adapterInItsWords(adapterFor(kind, parts))
}

function adapterFor(kind: string, { db, clock, onGrantEnd }: AdapterParts): Adapter {
  const hashed = hashedKinds.has(kind)
  const placeOf = (id: string) => ({ kind, id: hashed ? hash('sha256', id, 'base64url') : id })

  function read(stored: StoredPayload | null, id?: string): AdapterPayload | undefined {
    if (!stored) return undefined
    const { payload, consumedAt } = stored
    const named = hashed && id !== undefined ? { ...payload, jti: id } : { ...payload }
    if (consumedAt === null || isTolerated(kind, consumedAt, clock.now())) return named
    return { ...named, consumed: Number(consumedAt / SECOND) }
  }

  return {
    upsert: async (id, { jti, ...payload }, expiresIn) => {
      await store.upsertPayload(db, placeOf(id), {
        payload: hashed ? payload : { jti, ...payload },
        // A sign-in on its way outlives the grant that its browser had before: it may be another's.
        grantId: kind === 'Interaction' ? null : textOr(payload.grantId),
        userCode: textOr(payload.userCode),
        uid: textOr(payload.uid),
        expiresAt: expiresIn ? after(clock.now(), BigInt(Math.ceil(expiresIn)) * SECOND) : null,
      })
    },
    find: async (id) => read(await store.findPayload(db, placeOf(id)), id),
    findByUserCode: async (code) => read(await store.findPayloadBy(db, 'user_code', kind, code)),
    findByUid: async (uid) => read(await store.findPayloadBy(db, 'uid', kind, uid)),
    consume: async (id) => {
      // Only one of those who ask together gets it; to the others it was used before.
      if (await store.consumePayload(db, placeOf(id), clock.now())) return
      if (kind === 'AuthorizationCode') await endTheFirst(id)
      throw new errors.InvalidGrant('it was used already')
    },
    destroy: async (id) => {
      await store.deletePayload(db, placeOf(id))
    },
    revokeByGrantId: async (grantId) => {
      // The library asks for several kinds at once. Ending the session takes its lock first, so
      // that they wait there, and not for each other's rows.
      await onGrantEnd(grantId)
      await store.deleteByGrant(db, kind, grantId)
    },
  }

  /** Two who bring one code at once: the library sees only those who come after. */
  async function endTheFirst(id: string): Promise<void> {
    const grantId = textOr((await store.findPayload(db, placeOf(id)))?.payload['grantId'])
    if (grantId !== null) await onGrantEnd(grantId)
  }
}

/**
 * Two tabs may refresh with one token at the same moment: the loser is refused by `consume`, and
 * for a moment that is not taken for a thief, which would end the whole family. A code has no such
 * grace: nobody uses one twice by accident.
 */
function isTolerated(kind: string, consumedAt: Micros, now: Micros): boolean {
  return kind === 'RefreshToken' && now - consumedAt <= REUSE_TOLERANCE
}

function textOr(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}
