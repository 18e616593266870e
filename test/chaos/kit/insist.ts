import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'

/** Not an answer: whoever heard it does not know, or is asked to come again. */
export type Again = Readonly<{ again: string }>

const PAUSE_MS = 50
/** Much longer than any fault of these tests lasts, so that running out of it is a finding. */
const PATIENCE_MS = 90_000

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

/** Waits until something is so, or fails with what it waited for. */
export async function until<T>(
  what: string,
  fact: () => Promise<T | null | undefined | false> | T | null | undefined | false,
  patienceMs: number = PATIENCE_MS,
): Promise<T> {
  const deadline = performance.now() + patienceMs
  while (performance.now() < deadline) {
    const found = await fact()
    if (found) return found
    await delay(PAUSE_MS)
  }
  return assert.fail(`waited for ${patienceMs} ms in vain: ${what}`)
}
