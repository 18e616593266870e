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
  answer: Heard
}>

export type FloodAsk = Readonly<{
  what: 'payments' | 'reads'
  perSecond: number
  seconds: number
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
  let notes: Notes | null = null
  const lines = await openLines({
    doors,
    count: connections,
    patienceMs,
    answered: (due, answer) => notes?.answered(due, answer),
    failed: (due, why) => notes?.failed(due, why),
  })
  return {
    answer: async (ask) => {
      const start = performance.now()
      const run = randomUUID()
      notes = takeNotes(ask.what, start, (number) => `${run}-${number}`)
      return await flood(lines, customers, ask, notes)
    },
    close: async () => await Promise.resolve(lines.close()),
  }
})

/** Ends when each was answered or given up. */
async function flood(
  lines: Lines,
  customers: readonly Customer[],
  { what, perSecond, seconds }: FloodAsk,
  notes: Notes,
): Promise<Heard> {
  const began = process.cpuUsage()
  const { start } = notes
  const print = what === 'payments' ? printPayment : printRead
  const total = Math.floor(perSecond * seconds)
  const sentLateMs: number[] = []
  let [sent, lookAt] = [0, start]
  while (notes.settled() < total) {
    const now = performance.now()
    const due = Math.min(total, Math.floor(((now - start) / 1_000) * perSecond))
    for (; sent < due; sent += 1) {
      const at = start + (sent / perSecond) * 1_000
      lines.send({ number: sent, at, request: print(customers, notes.keyOf(sent)) })
      if (sent % LATENESS_EVERY === 0) sentLateMs.push(performance.now() - at)
    }
    if (now >= lookAt) lines.giveUp()
    if (now >= lookAt) lookAt = now + GIVE_UP_EVERY_MS
    await sleep(TICK_MS)
  }
  const { user, system } = process.cpuUsage(began)
  return {
    offered: total,
    ...notes.all(),
    sentLateMs: Float64Array.from(sentLateMs).sort(),
    processorShare: (user + system) / 1_000 / (performance.now() - start),
  }
}

function takeNotes(what: FloodAsk['what'], start: number, keyOf: (number: number) => string) {
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
    start,
    keyOf,
    settled: () => settled,
    all: () => ({
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
