import { setTimeout as delay } from 'node:timers/promises'
import { isAgain } from '../../kit/insist.ts'
import type { Again } from '../../kit/insist.ts'
import { ANSWERED, moment } from './history.ts'
import type { Attempt, Timed } from './history.ts'

/** The two balancers, as a customer's app knows them. */
export type Addresses = readonly [string, string]

/** What a good app waits for an answer, and then between two attempts: longer from time to time. */
export const ATTEMPT_MS = 5_000
const RETRY_MS = 100
const PAUSE_MS = { first: 250, most: 1_000 }
/** After so long without an answer a customer gives up, which the report calls silence. */
const SILENCE_MS = 240_000

export type Answered<T> = Timed & Readonly<{ answer: T | null }>

/**
 * Asks at one balancer, and when that brings no answer, once more at the other one, as a good app
 * does under one Idempotency-Key. Then it goes on by turns until there is an answer; null: none
 * came. `ended` of an attempt is taken when its answer is whole.
 */
export async function askInTurn<T>(
  [first, second]: Addresses,
  attempt: (api: string) => Promise<T | Again>,
): Promise<Answered<T>> {
  const began = moment()
  const attempts: Attempt[] = []
  for (let turn = 0; moment() - began < SILENCE_MS; turn += 1) {
    if (turn > 0) await delay(pauseBefore(turn))
    const api = turn % 2 === 0 ? first : second
    const start = moment()
    const answer = await attempt(api)
    const ended = moment()
    const end = isAgain(answer) ? answer.again : ANSWERED
    attempts.push({ api, began: start, ended, end })
    if (!isAgain(answer)) return { began, ended, attempts, answer }
  }
  return { began, ended: moment(), attempts, answer: null }
}

function pauseBefore(turn: number): number {
  return turn === 1 ? RETRY_MS : Math.min(PAUSE_MS.first * 2 ** (turn - 2), PAUSE_MS.most)
}
