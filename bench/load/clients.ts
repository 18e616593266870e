import assert from 'node:assert/strict'
import { randomInt, randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { answerParent } from './child.ts'
import { openConnection } from './connection.ts'
import type { Connection, Door } from './connection.ts'
import { closedLoop } from '../samples.ts'
import type { Sample } from '../samples.ts'

/** Who asks over HTTP: the outside form of their id, and an access token. */
export type Customer = Readonly<{ id: string; token: string }>

export type Clients = Readonly<{
  /** Connections go to the doors in turn. */
  setup: Readonly<{ doors: readonly Door[]; customers: readonly Customer[] }>
  ask: Readonly<{
    what: 'payment' | 'user' | 'history'
    connections: number
    ms: number
    /** Who hears 429 asks again soon, and does not count until it is done. */
    patient?: boolean
  }>
  answer: Sample
}>

/** Few enough to come back within the minute for which the server remembers a token. */
const CUSTOMERS_PER_CONNECTION = 16
/** In cents. Small, so that a customer who pays thousands of times stays below the limits. */
const AMOUNTS_BELOW = 20

const TOO_MANY_REQUESTS = 429
const AGAIN_MS = 50

/** Keeps connections to the server busy, and reads every answer. */
answerParent<Clients>(({ doors, customers }) => {
  const anyOf = (count: number) => customers[randomInt(count)] as Customer
  const ask = {
    payment: async (exchange: Ask, payer: Customer) => {
      let payee = payer
      while (payee === payer) payee = anyOf(customers.length)
      await pay(exchange, payer, payee)
    },
    user: readUser,
    history: readHistory,
  }
  return Promise.resolve({
    answer: async ({ what, connections, ms, patient = false }) => {
      const opening = Array.from({ length: connections }, async (_, index) => {
        return await openConnection(doors[index % doors.length] as Door)
      })
      const open = await Promise.all(opening)
      const callers = Math.min(connections * CUSTOMERS_PER_CONNECTION, customers.length)
      try {
        return await closedLoop({ callers: connections, ms }, async (caller) => {
          await ask[what](exchangeOn(open[caller] as Connection, patient), anyOf(callers))
        })
      } finally {
        for (const connection of open) connection.close()
      }
    },
    close: () => Promise.resolve(),
  })
})

function exchangeOn({ exchange }: Connection, patient: boolean): Connection['exchange'] {
  if (!patient) return exchange
  return async (request) => {
    for (;;) {
      const answer = await exchange(request)
      if (answer.status !== TOO_MANY_REQUESTS) return answer
      await sleep(AGAIN_MS)
    }
  }
}

type Ask = Connection['exchange']

async function pay(exchange: Ask, payer: Customer, payee: Customer): Promise<void> {
  const cents = 1 + randomInt(AMOUNTS_BELOW)
  const amount = `0.${String(cents).padStart(2, '0')}`
  const body = `{"fromId":"${payer.id}","toId":"${payee.id}","amount":${amount},"note":"Thanks for lunch"}`
  const { status, body: answer } = await exchange(
    `POST /v1/transaction HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${payer.token}\r\n` +
      `Idempotency-Key: "${randomUUID()}"\r\nContent-Type: application/json\r\n` +
      `Content-Length: ${body.length}\r\n\r\n${body}`,
  )
  assert.equal(status, 200, answer)
  const paid = JSON.parse(answer) as Readonly<Record<string, unknown>>
  const { status: verdict, amount: moved, fromId, toId } = paid
  assert(verdict === 'accepted' && moved === cents, answer)
  assert(fromId === payer.id && toId === payee.id, answer)
}

async function readUser(exchange: Ask, { id, token }: Customer): Promise<void> {
  const { status, body } = await exchange(get(`/v1/user/${id}`, token))
  assert.equal(status, 200, body)
  const user = JSON.parse(body) as Readonly<Record<string, unknown>>
  assert(user['userId'] === id && Number(user['balance']) > 0, body)
}

const PAGE_ROWS = 25

/** The newest page of a long history. */
async function readHistory(exchange: Ask, { id, token }: Customer): Promise<void> {
  const { status, body } = await exchange(get(`/v1/transactions/${id}`, token))
  assert.equal(status, 200, body)
  const page = JSON.parse(body) as Readonly<{ data: readonly unknown[]; nextCursor: string | null }>
  assert(page.data.length === PAGE_ROWS && page.nextCursor !== null, body)
}

function get(path: string, token: string): string {
  return `GET ${path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\n\r\n`
}
