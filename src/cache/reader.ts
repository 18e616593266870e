import { channel } from 'node:diagnostics_channel'
import { randomUUID } from 'node:crypto'
import type { Leases } from './leases.ts'
import type { Copies, Kind, Leased, Look, Place, Versions } from './parts.ts'

/**
 * Publishes `{ outcome }` of each read: `hit`, `miss`, `off` without a lease, `late` when it ended
 * meanwhile, `unfit` for a copy that does not serve, `failed` when Redis did not answer in time.
 */
const readChannel = channel('farthing:cache.read')
/** Publishes `{ outcome, error? }` of each fill: `filled`, `refused`, `lost`, `failed`. */
const fillChannel = channel('farthing:cache.fill')

export type ReaderParts = Readonly<{
  copies: Copies
  leases: Leases
  /** The versions of what a user sees now: null for nobody. */
  versions: (user: string) => Promise<Versions | null>
  /** Told that an epoch's keys are not whole any more. */
  lost: (tag: string) => void
}>

/** How a thing is read, and how its copy is written and understood. */
export type Source<T> = Readonly<{
  kind: Kind
  user: string
  load: () => Promise<T>
  print: (value: T) => string
  /** Null, or any error, for a copy that does not serve: of another version, or out of date. */
  parse: (text: string) => T | null
}>

export type Reader = <T>(source: Source<T>) => Promise<T>

/** The reader's side: a copy when one may be read, else the database. It never fails by Redis. */
export function createReader({ copies, leases, versions, lost }: ReaderParts): Reader {
  async function tryLook(
    at: Leased,
    { kind, user }: Pick<Source<unknown>, 'kind' | 'user'>,
    token: string,
    unfit: string | null,
  ): Promise<Look | null> {
    try {
      const found = await copies.look(at, kind, user, token, unfit)
      if (found.is === 'lost') lost(at.tag)
      return found
    } catch {
      return null
    }
  }

  async function tryFill(at: Place, copy: Parameters<Copies['fill']>[1]): Promise<void> {
    try {
      const outcome = await copies.fill(at, copy)
      if (outcome === 'lost') lost(at.tag)
      fillChannel.publish({ outcome })
    } catch (error) {
      fillChannel.publish({ outcome: 'failed', error })
    }
  }

  async function loadAndFill<T>(at: Place, token: string, source: Source<T>): Promise<T> {
    const { kind, user, load, print } = source
    // First, and by itself: what is read behind it is at least as new as it says.
    const found = await versions(user)
    const value = await load()
    if (found) void tryFill(at, { kind, user, token, versions: found, value: print(value) })
    return value
  }

  /** Or it would be in the way until its user changes something. */
  async function replace<T>(
    at: Leased,
    token: string,
    source: Source<T>,
    unfit: string,
  ): Promise<T> {
    readChannel.publish({ outcome: 'unfit' })
    const found = await tryLook(at, source, token, unfit)
    return found?.is === 'claimed' ? await loadAndFill(at, token, source) : await source.load()
  }

  return async (source) => {
    const at = leases.current()
    if (!at || copies.reign() !== at.reign) {
      readChannel.publish({ outcome: 'off' })
      return await source.load()
    }
    const token = randomUUID()
    const found = await tryLook(at, source, token, null)
    if (found?.is === 'claimed') {
      readChannel.publish({ outcome: 'miss' })
      return await loadAndFill(at, token, source)
    }
    if (found?.is === 'hit') {
      // Asked now, and not before: while Redis was silent, the epoch may have ended.
      if (!leases.holds(at)) {
        readChannel.publish({ outcome: 'late' })
        return await source.load()
      }
      const value = understood(source, found.value)
      if (value === null) return await replace(at, token, source, found.value)
      readChannel.publish({ outcome: 'hit' })
      return value
    }
    if (found?.is === 'late') readChannel.publish({ outcome: 'late' })
    else readChannel.publish({ outcome: found?.is === 'taken' ? 'miss' : 'failed' })
    return await source.load()
  }
}

/** What does not parse was written by another version, or broke: the database knows better. */
function understood<T>(source: Source<T>, text: string): T | null {
  try {
    return source.parse(text)
  } catch {
    return null
  }
}
