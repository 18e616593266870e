/** How long, on average, those inside take while more come than can be answered. */
const INSIDE_MS = 200
/** What was answered counts for less and less: after this time for a third. */
const MEMORY_MS = 1_000
/** So many may be inside however slow all is: a server at rest does not know what it can do. */
const LEAST = 64
/** So many at most, however fast all is. */
const MOST = 2_000
/** A new crowd may be so large, with those inside. */
const CROWD = 400
/** For so long, or until so many of it have waited, a crowd is new. */
const NEW_MS = 1_000
const NEW_COUNT = 400
/** Of a crowd that has lasted, so many may wait for each that may be inside: loads have waves. */
const LASTING_SHARE = 0.5
/** With nobody too many for so long, the next crowd is a new one. */
const CALM_MS = 1_000
/** Who has waited for longer makes room when somebody comes. */
const GIVES_WAY_MS = 400
/** Nobody waits for longer. */
const WAITS_MOST_MS = 2_000

/** Called once: whether there is a place now, which must be given back. */
export type Turn = (isIn: boolean) => void

export type Limit = Readonly<{
  /**
   * False when one more would only make all of them wait. Whoever is told so counts as refused.
   * Who may come in sends somebody away who has waited too long, but not before it enters.
   */
  hasRoom: () => boolean
  /** Takes a place: at once, or when one is given back. False: there is no room, and no turn. */
  enter: (turn: Turn) => boolean
  /**
   * Gives a place back: the answer is ready.
   *
   * @param isDone Whether it was worked on. A refusal costs nothing, and tells nothing.
   */
  leave: (isDone: boolean) => void
  /** Turns away who has waited too long, while nobody comes or goes. */
  tidy: () => void
  counts: () => Counts
}>

export type Counts = Readonly<{
  /** Have a place now. */
  inside: number
  /** How many may be inside. */
  limit: number
  /** Wait for a place. */
  waiting: number
  admitted: number
  refused: number
}>

/**
 * Bounds how many requests are worked on at once, by how many were answered lately. As many as are
 * answered in 200 ms may be inside, and so take 200 ms on average (Little's law), whatever they
 * wait for: the event loop, a connection, the ledger's next batch. More of them would not be
 * answered sooner, only later. The machine, and what is asked, need not be known for that.
 *
 * A crowd is no overload: it may be over soon. So a new one may wait for places. While more come,
 * those who have waited longest go, so that whoever is answered has not waited for long; while
 * nobody comes, all of them have their turn. Of what has lasted a second and was large, few may
 * wait, and the rest is refused at once.
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
  /** Of the crowd, so many have waited. */
  let waited = 0
  const waiting: { since: number; turn: Turn }[] = []

  function lately(at: number): number {
    return answered * Math.exp((answeredAt - at) / MEMORY_MS)
  }

  function limitAt(at: number): number {
    return Math.floor(Math.min(MOST, Math.max(LEAST, (lately(at) * INSIDE_MS) / MEMORY_MS)))
  }

  function hasWaited(ms: number, at: number): boolean {
    const [longest] = waiting
    return longest !== undefined && at - longest.since > ms
  }

  function turnAway(olderThanMs: number, at: number): boolean {
    if (!hasWaited(olderThanMs, at)) return false
    refused += 1
    waiting.shift()?.turn(false)
    return true
  }

  function letIn(at: number): void {
    while (waiting.length > 0 && inside < limitAt(at)) {
      const next = waiting.shift()
      take()
      next?.turn(true)
    }
  }

  function take(): void {
    inside += 1
    admitted += 1
  }

  /** @param gives How many of those who wait would go for whoever comes in. */
  function findRoom(at: number, gives: number): 'inside' | 'in the crowd' | 'none' {
    if (waiting.length === 0 && inside < limitAt(at)) return 'inside'
    if (at - crowdedAt > CALM_MS) [crowdSince, waited] = [at, 0]
    crowdedAt = at
    const isNew = at - crowdSince < NEW_MS || waited < NEW_COUNT
    const most = isNew ? CROWD - inside : limitAt(at) * LASTING_SHARE
    if (waiting.length - gives < most) return 'in the crowd'
    refused += 1
    return 'none'
  }

  return {
    hasRoom: () => {
      const at = now()
      letIn(at)
      const hasRoom = findRoom(at, hasWaited(GIVES_WAY_MS, at) ? 1 : 0) !== 'none'
      if (!hasRoom) turnAway(GIVES_WAY_MS, at)
      return hasRoom
    },
    enter: (turn) => {
      const at = now()
      turnAway(GIVES_WAY_MS, at)
      letIn(at)
      const room = findRoom(at, 0)
      if (room === 'none') return false
      if (room === 'inside') {
        take()
        turn(true)
      } else {
        waited += 1
        waiting.push({ since: at, turn })
      }
      return true
    },
    leave: (isDone) => {
      const at = now()
      inside -= 1
      if (isDone) {
        answered = lately(at) + 1
        answeredAt = at
      }
      letIn(at)
    },
    tidy: () => {
      const at = now()
      while (turnAway(WAITS_MOST_MS, at));
      letIn(at)
    },
    counts: () => {
      return { inside, limit: limitAt(now()), waiting: waiting.length, admitted, refused }
    },
  }
}
