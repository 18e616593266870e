import { AppError } from '../../errors.ts'

/** Lets work through, a few at a time, the rest in the order it came. */
export type Gate = <T>(work: () => Promise<T>) => Promise<T>

export type GateRules = Readonly<{
  atOnce: number
  waiting: number
  /** How many times as long as a work took its place then stays empty. */
  rests: number
}>

/** Whoever asks for them waits for ten seconds at most. */
const WAIT_MAX_MS = 4_000
/** Of the time that works take, what one more counts for in their average. */
const WEIGHT = 0.2

/**
 * A gate for at most `atOnce` works, with room for `waiting` more, or for as many as will have had
 * their turn in four seconds.
 *
 * @throws AppError `overloaded` from the gate, at once, when that room is full, with
 * `retryAfterSeconds` by when all who wait will have had their turn.
 */
export function createGate({ atOnce, waiting, rests }: GateRules): Gate {
  const queue: (() => void)[] = []
  let running = 0
  let turnMs = 0

  async function enter(): Promise<void> {
    if (running < atOnce) {
      running++
      return
    }
    const waitMs = (queue.length * turnMs) / atOnce
    if (queue.length >= waiting || waitMs > WAIT_MAX_MS) {
      throw new AppError('overloaded', {
        retryAfterSeconds: Math.max(1, Math.ceil(waitMs / 1_000)),
      })
    }
    await new Promise<void>((resolve) => queue.push(resolve))
  }

  /** Whoever waits takes the place over, so that nobody who comes now can slip in between. */
  function leave(): void {
    const next = queue.shift()
    if (next) next()
    else running--
  }

  /** The work is answered at once; only its place rests. */
  function rest(tookMs: number): void {
    turnMs += WEIGHT * (tookMs * (1 + rests) - turnMs)
    if (rests === 0) leave()
    else setTimeout(leave, tookMs * rests)
  }

  return async (work) => {
    await enter()
    const startedAt = performance.now()
    try {
      return await work()
    } finally {
      rest(performance.now() - startedAt)
    }
  }
}
