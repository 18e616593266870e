import { AppError } from '../../../errors.ts'
import { connect } from './connection.ts'
import type { Connection } from './connection.ts'
import { isAway, LdapRefused } from './refused.ts'

/** Active Directory itself closes what was idle for 15 minutes; a firewall may do it earlier. */
const IDLE_MAX_MS = 60_000
/** After all controllers were away, nobody waits for them again for so long. */
const AWAY_PAUSE_MS = 1_000
/** Our own password is refused: more tries than these would lock our account, too. */
const REFUSED_PAUSE_MS = 60_000

/** The domain controllers, as one. */
export type Domain = Readonly<{
  /**
   * Asks as the service account, on a connection that is kept. The work is done again from its
   * beginning when a kept connection turns out to be dead.
   *
   * @throws AppError `directory_unavailable` when no controller answers, or our password is
   * refused.
   */
  ask: <T>(work: (connection: Connection) => Promise<T>) => Promise<T>
  /**
   * Binds with somebody's password, on a connection of its own that the caller closes.
   *
   * @throws LdapRefused, AppError `directory_unavailable`
   */
  bind: (name: string, password: string) => Promise<Connection>
  /** Closes what is kept. */
  close: () => void
}>

export type DomainParts = Readonly<{
  urls: readonly string[]
  ca: string | null
  bindName: string
  bindPassword: string
}>

type Kept = Readonly<{ connection: Connection; at: number; since: number }>

/**
 * Goes to the first controller that answers and stays with it, so that who writes reads what they
 * wrote; when it is away, to the next in the list. Its caller bounds how much is asked at once.
 */
export function createDomain({ urls, ca, bindName, bindPassword }: DomainParts): Domain {
  const idle: Kept[] = []
  let current = 0
  let pausedUntil = 0
  let why: unknown = null

  async function open(name: string, password: string): Promise<Kept> {
    if (performance.now() < pausedUntil) throw unavailable()
    const first = current
    for (const [tries] of urls.entries()) {
      const at = (first + tries) % urls.length
      try {
        const connection = await connect({ url: urls[at] ?? '', ca }, name, password)
        current = at
        return { connection, at, since: performance.now() }
      } catch (error) {
        if (!isAway(error)) {
          current = at
          throw error
        }
        why = error
      }
    }
    pausedUntil = performance.now() + AWAY_PAUSE_MS
    throw unavailable()
  }

  async function openAsOurselves(): Promise<Kept> {
    try {
      return await open(bindName, bindPassword)
    } catch (error) {
      if (!(error instanceof LdapRefused)) throw error
      why = new Error('the domain refuses the service account, AD_BIND_NAME', { cause: error })
      pausedUntil = performance.now() + REFUSED_PAUSE_MS
      throw unavailable()
    }
  }

  function unavailable(): AppError {
    return new AppError('directory_unavailable', {}, { cause: why })
  }

  function takeIdle(): Kept | null {
    for (let kept = idle.pop(); kept; kept = idle.pop()) {
      const fresh = performance.now() - kept.since < IDLE_MAX_MS
      if (fresh && kept.connection.isOpen()) return kept
      kept.connection.close()
    }
    return null
  }

  async function on<T>(kept: Kept, work: (connection: Connection) => Promise<T>): Promise<T> {
    let sound = false
    try {
      const done = await work(kept.connection)
      sound = true
      return done
    } catch (error) {
      sound = error instanceof LdapRefused
      throw error
    } finally {
      if (sound) idle.push({ ...kept, since: performance.now() })
      else kept.connection.close()
    }
  }

  async function ask<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
    const kept = takeIdle()
    if (kept) {
      try {
        return await on(kept, work)
      } catch (error) {
        if (!isAway(error)) throw error
        // Whatever else is kept leads to the same controller, and so does the next try, at last.
        close()
        current = (kept.at + 1) % urls.length
      }
    }
    return await on(await openAsOurselves(), work)
  }

  function close(): void {
    for (const { connection } of idle.splice(0)) connection.close()
  }

  return { ask, bind: async (name, password) => (await open(name, password)).connection, close }
}
