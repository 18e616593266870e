import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { PATIENCE_MS } from '../../kit/until.ts'

/** Not an answer: whoever heard it does not know, or is asked to come again. */
export type Again = Readonly<{ again: string }>

const PAUSE_MS = 50

export function isAgain<T>(heard: T | Again): heard is Again {
  return typeof heard === 'object' && heard !== null && 'again' in heard
}

/** Asks the same until there is an answer. `heard` is told of everything that was none. */
export async function insist<T>(
  attempt: () => Promise<T | Again>,
  heard: (reason: string) => void = () => undefined,
): Promise<T> {
  const deadline = performance.now() + PATIENCE_MS
  const reasons: string[] = []
  while (performance.now() < deadline) {
    const answer = await attempt()
    if (!isAgain(answer)) return answer
    reasons.push(answer.again)
    heard(answer.again)
    await delay(PAUSE_MS)
  }
  return assert.fail(`no answer in ${PATIENCE_MS} ms, only ${reasons.slice(-5).join(', ')}`)
}
