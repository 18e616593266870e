import { channel } from 'node:diagnostics_channel'
import type { Queryable } from '../db/query.ts'
import { AppError } from '../errors.ts'
import { after, SECOND } from '../time.ts'
import type { Clock, Micros } from '../time.ts'
import type { Actor } from './actor.ts'
import { placeAt, readRevocations } from './store.ts'
import type { Place, Revocation } from './store.ts'

/** Publishes `{ message }` when what tokens are checked against cannot be read. */
const trouble = channel('farthing:access.trouble')

/** Between two looks. With the look itself it is less than a second: so soon an end holds. */
export const PAUSE_MS = 350
/** For the list's own connection: a look that takes longer is given up, and made again. */
export const LOOK_MAX_MS = 600
/**
 * A row gets its time before its transaction commits, and so may appear behind newer ones: each
 * look goes back so far. No transaction of ours stays open for longer.
 */
const OVERLAP = 10n * SECOND
/** A list that was not read for so long says nothing any more. */
const STALE_AFTER_MS = 10_000
const ROWS_PER_LOOK = 5_000
/** Some 100 MB. Far more than can be ended within the life of a token. */
const LISTED_MAX = 500_000

export type DenyList = Readonly<{
  /** Reads all that counts now, and from then on what is new. @throws AppError as the database. */
  start: () => Promise<void>
  stop: () => Promise<void>
  /**
   * Whether what the token stands for was ended after it was issued.
   *
   * @throws AppError `database_unavailable` when the list was not read for ten seconds. Who cannot
   * be told from a thief is not served: hardly a route does without the database anyway, and a list
   * that fails alone, or a process that was paused, must not pay out on stolen tokens.
   */
  denies: (actor: Actor) => boolean
  /** For the health of this process. @throws AppError as `denies` does. */
  check: () => void
}>

export type DenyListParts = Readonly<{
  /** A connection of its own: a queue in front of a shared one would make the list old. */
  db: Queryable
  clock: Clock
  staleAfterMs?: number
}>

type Ended = Readonly<{ before: Micros; expiresAt: Micros }>

/** What was ended, in the memory of this process: each server asks the database what is new. */
export function createDenyList(parts: DenyListParts): DenyList {
  const { db, clock, staleAfterMs = STALE_AFTER_MS } = parts
  /** By session or user, in the order in which they were last heard of. */
  const ended = new Map<string, Ended>()
  let readTo: Micros | null = null
  let freshUntil = Number.NEGATIVE_INFINITY
  let timer: NodeJS.Timeout | undefined
  let looking: Promise<void> = Promise.resolve()
  let stopped = false

  async function look(): Promise<void> {
    const startedAt = performance.now()
    let behind: Place | null = readTo === null ? null : placeAt(after(readTo, -OVERLAP))
    for (;;) {
      const ask = { behind, now: clock.now(), limit: ROWS_PER_LOOK }
      const { readAt, revocations } = await readRevocations(db, ask)
      for (const revocation of revocations) add(ended, revocation)
      const last = revocations.at(-1)
      if (!last || revocations.length < ROWS_PER_LOOK) {
        readTo = readAt
        break
      }
      behind = { ...placeAt(last.revokedAt), id: last.id }
    }
    forget(ended, clock.now())
    // As of when it was asked, not of when the answer came.
    freshUntil = startedAt + staleAfterMs
  }

  async function lookOrTell(): Promise<void> {
    try {
      await look()
    } catch (error) {
      trouble.publish({ message: `revoked tokens cannot be read: ${String(error)}` })
    }
    goOn()
  }

  function goOn(): void {
    if (stopped) return
    timer = setTimeout(() => {
      looking = lookOrTell()
    }, PAUSE_MS)
    timer.unref()
  }

  function check(): void {
    if (performance.now() <= freshUntil) return
    throw new AppError('database_unavailable', { why: 'nobody knows which tokens were ended' })
  }

  return {
    check,
    start: async () => {
      await look()
      goOn()
    },
    stop: async () => {
      stopped = true
      clearTimeout(timer)
      await looking
    },
    denies: (actor) => {
      check()
      if (actor.kind === 'service' || ended.size === 0) return false
      // A session that was ended is over, for tokens too that were being made meanwhile.
      if (actor.sessionId !== null && ended.has(actor.sessionId)) return true
      const user = ended.get(actor.userId)
      // A token knows whole seconds only: within the same one, it counts as the older of the two.
      return user !== undefined && actor.issuedAt / SECOND <= user.before / SECOND
    },
  }
}

function add(ended: Map<string, Ended>, { subject, before, expiresAt }: Revocation): void {
  const earlier = ended.get(subject)
  if (!earlier && ended.size >= LISTED_MAX) throw new Error('more was ended than fits the list')
  ended.delete(subject)
  ended.set(subject, {
    before: earlier && earlier.before > before ? earlier.before : before,
    expiresAt: earlier && earlier.expiresAt > expiresAt ? earlier.expiresAt : expiresAt,
  })
}

/** From the oldest on, up to the first that still counts: the others follow it soon enough. */
function forget(ended: Map<string, Ended>, now: Micros): void {
  for (const [subject, { expiresAt }] of ended) {
    if (expiresAt > now) return
    ended.delete(subject)
  }
}
