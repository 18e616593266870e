/** How long, on average, those who were let in wait while more come than can be answered. */
const WAIT_MS = 250
/** What was answered counts for less and less: after this time for a third. */
const MEMORY_MS = 1_000
/** So many may be inside however slow all is: a server at rest does not know what it can do. */
const LEAST = 64
/** So many at most, however fast all is. */
const MOST = 2_000
/** A new crowd may be so large, and so many of it may come in above the limit at any time. */
const BURST = 400
/** For so long, more of it may: a server that had little to do has yet to see what it can do. */
const PATIENCE_MS = 1_000
/** With nobody too many for so long, the next crowd is a new one. */
const CALM_MS = 1_000

export type Limit = Readonly<{
  /** False when one more would only make all of them wait. Whoever is told so counts as refused. */
  hasRoom: () => boolean
  /** Takes a place, unless there is no room. */
  enter: () => boolean
  /** Gives it back: the answer is ready. */
  leave: () => void
  counts: () => Counts
}>

export type Counts = Readonly<{
  /** Have a place now. */
  inside: number
  /** How many may be inside while there is a crowd. */
  limit: number
  admitted: number
  refused: number
}>

/**
 * Bounds how many requests are worked on at once, by how many were answered lately. As many as are
 * answered in 250 ms may be inside, and so wait for 250 ms on average (Little's law), whatever they
 * wait for: the event loop, a connection, the ledger's next batch. More of them would not be
 * answered sooner, only later. The machine, and what is asked, need not be known for that.
 *
 * A crowd is no overload: it may be over before anybody waited long. So a new one is let in, and
 * the limit holds for what has lasted a second and was large.
 *
 * @param now In milliseconds, and never going back.
 */
export function createLimit(now: () => number): Limit {
  let inside = 0
  let [admitted, refused] = [0, 0]
  /** As many as were answered within MEMORY_MS, if all is as it was lately. */
  let answered = 0
  let answeredAt = now()
  let crowdSince = Number.NEGATIVE_INFINITY
  let crowdedAt = Number.NEGATIVE_INFINITY
  let aboveLimit = 0

  function lately(at: number): number {
    return answered * Math.exp((answeredAt - at) / MEMORY_MS)
  }

  function limitAt(at: number): number {
    return Math.floor(Math.min(MOST, Math.max(LEAST, (lately(at) * WAIT_MS) / MEMORY_MS)))
  }

  function findRoom(): 'below' | 'above' | 'none' {
    const at = now()
    if (inside < LEAST || inside < limitAt(at)) return 'below'
    if (at - crowdedAt > CALM_MS) [crowdSince, aboveLimit] = [at, 0]
    crowdedAt = at
    const isNew = at - crowdSince < PATIENCE_MS || aboveLimit < BURST
    if (isNew && inside < BURST) return 'above'
    refused += 1
    return 'none'
  }

  return {
    hasRoom: () => findRoom() !== 'none',
    enter: () => {
      const room = findRoom()
      if (room === 'none') return false
      if (room === 'above') aboveLimit += 1
      inside += 1
      admitted += 1
      return true
    },
    leave: () => {
      const at = now()
      inside -= 1
      answered = lately(at) + 1
      answeredAt = at
    },
    counts: () => ({ inside, limit: limitAt(now()), admitted, refused }),
  }
}
