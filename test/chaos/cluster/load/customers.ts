import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { createRandom } from '../../kit/random.ts'
import { createApp } from './app.ts'
import type { Crowd } from './crowd.ts'
import { createDoings } from './doings.ts'
import { moment, writeLine } from './history.ts'
import type { Line } from './history.ts'

// `customers.ts <file>`: the customers that the file names do what customers do, at a steady rate
// however long answers take, and write down what they hear. Ends after SIGTERM, when each of them
// has heard the answer to what was asked last.
// A process of its own: what befalls the service, or the one who breaks it, must not befall them.

/** Asked and not answered yet, at most. */
const UNDER_WAY = 400

const [file = assert.fail('customers.ts <file>')] = process.argv.slice(2)
const crowd = JSON.parse(await readFile(file, 'utf8')) as Crowd
const random = createRandom(crowd.seed)
const note = (line: Line): void => writeLine(crowd.history, line)
const doNext = createDoings(crowd, createApp(crowd.apis, note), random, note)
const underWay = new Set<Promise<void>>()
const enough = new AbortController()
process.once('SIGTERM', () => enough.abort())
// Whoever started us is gone, and nobody will read what we hear.
process.stdin.resume().once('close', () => process.exit(1))
let due = performance.now()
while (!enough.signal.aborted) {
  // An open loop: nobody waits for another's answer.
  due += (-Math.log(1 - random.below(1_000_000) / 1_000_000) * 1_000) / crowd.perSecond
  await delay(Math.max(0, due - performance.now()))
  if (underWay.size >= UNDER_WAY) {
    const now = moment()
    note({ what: 'unasked', began: now, ended: now, attempts: [] })
    continue
  }
  const one = doNext().finally(() => underWay.delete(one))
  underWay.add(one)
}
await Promise.all(underWay)
// Connections that are kept for a next request hold nothing up.
process.exit(0)
