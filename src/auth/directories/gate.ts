import { AppError } from '../../errors.ts'

/** Lets work through, a few at a time, the rest in the order it came. */
export type Gate = <T>(work: () => Promise<T>) => Promise<T>

/**
 * A gate for at most `atOnce` works, with room for `waiting` more.
 *
 * @throws AppError `overloaded` from the gate, at once, when that room is full.
 */
export function createGate({ atOnce, waiting }: { atOnce: number; waiting: number }): Gate {
  const queue: (() => void)[] = []
  let running = 0

  async function enter(): Promise<void> {
    if (running < atOnce) {
      running++
      return
    }
    if (queue.length >= waiting) throw new AppError('overloaded')
    await new Promise<void>((resolve) => queue.push(resolve))
  }

  /** Whoever waits takes the place over, so that nobody who comes now can slip in between. */
  function leave(): void {
    const next = queue.shift()
    if (next) next()
    else running--
  }

  return async (work) => {
    await enter()
    try {
      return await work()
    } finally {
      leave()
    }
  }
}
