import { setTimeout as sleep } from 'node:timers/promises'
import type { Member } from './member.ts'

const RESTART_FIRST_MS = 200
const RESTART_LONGEST_MS = 5_000
/** Who lived for so long did not die of its start. */
const STEADY_MS = 30_000
/** To one that shall stop; then it is killed. */
const STOP_WITHIN_MS = 3_500
/** For one that leaves to say that it takes no more. */
const LEAVE_WITHIN_MS = 5_000
/** No connection stays idle for longer, and none is silent for longer. */
export const GONE_WITHIN_MS = 75_000

/** Where one process stands, or another one in its place. */
export type Place = Readonly<{
  member: () => Member
  /** Those that have left their place to another one, and finish what they have begun. */
  leaving: () => readonly Member[]
  /**
   * Puts a new process in this place. The old one leaves when the new one is ready, and takes no
   * more when this settles.
   *
   * @throws StartRefused when the new one does not start: then the old one stays.
   */
  renew: () => Promise<void>
  stop: () => Promise<void>
}>

/**
 * Starts a process, and starts it anew whenever it dies: after a moment, and later and later when
 * it dies of its start.
 *
 * @throws StartRefused when the first one does not start.
 */
export async function keep(
  launch: () => Promise<Member> | Member,
  toldToStop: Promise<void>,
): Promise<Place> {
  let stopping = false
  // Ctrl-C reaches all of us: that they end then is as it should be.
  void toldToStop.then(() => {
    stopping = true
    return null
  })
  const leaving = new Set<Member>()
  let pauseMs = RESTART_FIRST_MS
  let current = await launch()
  try {
    await current.ready
  } catch (error) {
    current.child.kill('SIGKILL')
    throw error
  }
  void watch(current)

  /** For as long as it has its place, and whoever comes after it. */
  async function watch(member: Member): Promise<void> {
    const { how, ms } = await member.ended
    if (stopping || member !== current) return
    console.error(`The ${member.name} ended (${how}), and is started anew.`)
    pauseMs = ms > STEADY_MS ? RESTART_FIRST_MS : Math.min(pauseMs * 2, RESTART_LONGEST_MS)
    await sleep(pauseMs)
    if (stopping || member !== current) return
    const next = await launch()
    // Somebody was put in this place meanwhile.
    if (stopping || member !== current) return await stopMember(next)
    current = next
    void watch(next)
    next.ready.catch((error: unknown) => {
      if (!stopping) console.error(error instanceof Error ? error.message : error)
      next.child.kill('SIGKILL')
    })
  }

  async function leave(old: Member): Promise<void> {
    if (old.hasEnded()) return
    leaving.add(old)
    const late = setTimeout(() => void stopMember(old), GONE_WITHIN_MS).unref()
    void old.ended.then(() => {
      clearTimeout(late)
      return leaving.delete(old)
    })
    // One that does not answer has died, or is stuck, and then its time comes.
    await old.link.ask('leave', null, LEAVE_WITHIN_MS).catch(() => null)
  }

  return {
    member: () => current,
    leaving: () => [...leaving],
    renew: async () => {
      const next = await launch()
      try {
        await next.ready
      } catch (error) {
        next.child.kill('SIGKILL')
        throw error
      }
      const old = current
      current = next
      void watch(next)
      await leave(old)
    },
    stop: async () => {
      stopping = true
      await Promise.all([current, ...leaving].map(stopMember))
    },
  }
}

/**
 * Waits for all that are being started. When one cannot be, the others are stopped again.
 *
 * @throws as the first that failed.
 */
export async function allOrNone(starting: readonly Promise<Place>[]): Promise<readonly Place[]> {
  const outcomes = await Promise.allSettled(starting)
  const places = outcomes.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  const failed = outcomes.find((one) => one.status === 'rejected')
  if (!failed) return places
  await stopAll(places)
  throw failed.reason
}

export async function stopAll(places: readonly Place[]): Promise<void> {
  await Promise.all(places.map(async (place) => await place.stop()))
}

async function stopMember({ child, ended }: Member): Promise<void> {
  child.kill('SIGTERM')
  const alarm = sleep(STOP_WITHIN_MS, 'late' as const, { ref: false })
  if ((await Promise.race([ended, alarm])) !== 'late') return
  child.kill('SIGKILL')
  // Or it would be there for a moment longer than whoever stopped it.
  await ended
}
