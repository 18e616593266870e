import { randomInt, randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { answerParent } from './child.ts'
import type { Customer } from './clients.ts'
import type { Door } from './connection.ts'
import { openLines } from './lines.ts'
import type { Due, Lines } from './lines.ts'
import type { Reading } from './readings.ts'

/** Requests that come by the clock, whether or not those before them were answered. */
export type Flood = Readonly<{
  setup: Readonly<{
    /** Connections go to them in turn. */
    doors: readonly Door[]
    customers: readonly Customer[]
    /** Opened at the start, and kept. */
    connections: number
    /** Whoever waited so long for an answer gives up. */
    patienceMs: number
  }>
  ask: FloodAsk
  /** Of each stretch. */
  answer: readonly Heard[]
}>

export type Pace = Readonly<{ perSecond: number; seconds: number }>

export type FloodAsk = Readonly<{
  what: 'payments' | 'reads'
  /** One after the other: what is left of the one is still there in the next. */
  paces: readonly Pace[]
}>

/** What came of one stretch of requests. Times are counted from when each request was due. */
export type Heard = Readonly<{
  offered: number
  /** By status; `none` for those that were never answered. */
  statuses: Readonly<Record<string, number>>
  /** The first answers that should not be: a refusal that does not say when to ask again, … */
  wrong: readonly string[]
  /** Of those that were accepted: when they were due since the start, and how long they took. */
  dueMs: Float64Array
  tookMs: Float64Array
  /** Of payments: their keys and ids. */
  accepted: readonly Readonly<{ key: string; id: string }>[]
  /** The keys of some that were refused. */
  refused: readonly string[]
  /** How much later than due they were sent: a load that cannot keep up is no load. */
  sentLateMs: Float64Array
  /** Of one processor, what the load took itself. */
  processorShare: number
}>

/** What refusals say that promise it. */
const NOTHING_HAPPENED = /"code":"(overloaded|database_unavailable)"/
const TICK_MS = 1
const GIVE_UP_EVERY_MS = 200
const AMOUNTS_BELOW = 20
const WRONG_KEPT = 20
const REFUSED_KEPT = 10_000
/** The delay of one in so many is kept. */
const LATENESS_EVERY = 16

type Notes = ReturnType<typeof takeNotes>

answerParent<Flood>(async ({ doors, customers, connections, patienceMs }) => {
  let all: readonly Notes[] = []
  const notesOf = ({ at }: Due): Notes | undefined => all.findLast(({ start }) => start <= at)
  const lines = await openLines({
    doors,
    count: connections,
    patienceMs,
    answered: (due, answer) => notesOf(due)?.answered(due, answer),
    failed: (due, why) => notesOf(due)?.failed(due, why),
  })
  return {
    answer: async ({ what, paces }) => {
      let start = performance.now()
      all = paces.map((pace) => {
        const run = randomUUID()
        const notes = takeNotes({ what, pace, start, keyOf: (number) => `${run}-${number}` })
        start += pace.seconds * 1_000
        return notes
      })
      return await flood(lines, customers, what, all)
    },
    close: async () => await Promise.resolve(lines.close()),
  }
})

/** One stretch follows the other without a pause. Ends when each was answered or given up. */
async function flood(
  lines: Lines,
  customers: readonly Customer[],
  what: FloodAsk['what'],
  all: readonly Notes[],
): Promise<readonly Heard[]> {
  const print = what === 'payments' ? printPayment : printRead
  let lookAt = 0
  const tick = async (): Promise<void> => {
    const now = performance.now()
    if (now >= lookAt) lines.giveUp()
    if (now >= lookAt) lookAt = now + GIVE_UP_EVERY_MS
    await sleep(TICK_MS)
  }
  const sendings: Pick<Heard, 'sentLateMs' | 'processorShare'>[] = []
  for (const { pace, start, offered, keyOf } of all) {
    const before = process.cpuUsage()
    const sentLateMs: number[] = []
    for (let sent = 0; sent < offered; await tick()) {
      const seconds = (performance.now() - start) / 1_000
      const due = Math.min(offered, Math.floor(seconds * pace.perSecond))
      for (; sent < due; sent += 1) {
        const at = start + (sent / pace.perSecond) * 1_000
        lines.send({ number: sent, at, request: print(customers, keyOf(sent)) })
        if (sent % LATENESS_EVERY === 0) sentLateMs.push(performance.now() - at)
      }
    }
    const { user, system } = process.cpuUsage(before)
    const processorShare = (user + system) / 1_000 / (performance.now() - start)
    sendings.push({ sentLateMs: Float64Array.from(sentLateMs).sort(), processorShare })
  }
  while (all.some(({ settled, offered }) => settled() < offered)) await tick()
  return all.map((notes, index) => ({ ...notes.all(), ...sendings[index]! }))
}

type Noted = Readonly<{
  what: FloodAsk['what']
  pace: Pace
  start: number
  keyOf: (number: number) => string
}>

function takeNotes({ what, pace, start, keyOf }: Noted) {
  const offered = Math.floor(pace.perSecond * pace.seconds)
  const statuses: Record<string, number> = {}
  const wrong: string[] = []
  const [dueMs, tookMs]: [number[], number[]] = [[], []]
  const accepted: { key: string; id: string }[] = []
  const refused: string[] = []
  let settled = 0

  function count(status: string | number, isWrong: string | null): void {
    settled += 1
    statuses[status] = (statuses[status] ?? 0) + 1
    if (isWrong !== null && wrong.length < WRONG_KEPT) wrong.push(isWrong)
  }

  function answered({ number, at }: Due, { status, retryAfter, body }: Reading): void {
    if (status === 200) {
      dueMs.push(at - start)
      tookMs.push(performance.now() - at)
      const { transactionId: id, status: verdict } = JSON.parse(body) as Record<string, string>
      const isPaid = what !== 'payments' || (id !== undefined && verdict === 'accepted')
      if (what === 'payments' && id !== undefined) accepted.push({ key: keyOf(number), id })
      count(status, isPaid ? null : body)
    } else {
      const isRefusal = retryAfter !== null && NOTHING_HAPPENED.test(body)
      if (isRefusal && refused.length < REFUSED_KEPT) refused.push(keyOf(number))
      count(status, isRefusal ? null : `${status} ${body}`)
    }
  }

  return {
    answered,
    failed: (_due: Due, why: string): void => count('none', why),
    pace,
    start,
    offered,
    keyOf,
    settled: () => settled,
    all: () => ({
      offered,
      statuses,
      wrong,
      dueMs: Float64Array.from(dueMs),
      tookMs: Float64Array.from(tookMs),
      accepted,
      refused,
    }),
  }
}

function printPayment(customers: readonly Customer[], key: string): string {
  const from = randomInt(customers.length)
  const to = (from + 1 + randomInt(customers.length - 1)) % customers.length
  const [payer, payee] = [customers[from] as Customer, customers[to] as Customer]
  const amount = `0.${String(1 + randomInt(AMOUNTS_BELOW)).padStart(2, '0')}`
  const body = `{"fromId":"${payer.id}","toId":"${payee.id}","amount":${amount}}`
  return (
    `POST /v1/transaction HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${payer.token}\r\n` +
    `Idempotency-Key: "${key}"\r\nContent-Type: application/json\r\n` +
    `Content-Length: ${body.length}\r\n\r\n${body}`
  )
}

function printRead(customers: readonly Customer[]): string {
  const { id, token } = customers[randomInt(customers.length)] as Customer
  return `GET /v1/user/${id} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\n\r\n`
}
