import assert from 'node:assert/strict'
import { randomInt, randomUUID } from 'node:crypto'
import { parseId } from '../../../src/ids/ids.ts'
import type { UserId } from '../../../src/ids/ids.ts'
import type { Heard, Status } from './lies.ts'
import { insist, isAgain } from './insist.ts'
import { until } from '../../kit/until.ts'
import type { Again } from './insist.ts'

/** An answer over HTTP. `body` is what the test expects, and asserts. */
export type Answer<T = Record<string, unknown>> = Readonly<{
  status: number
  headers: Headers
  body: T
}>

/** Somebody with an account, who asks over HTTP. */
export type Caller = Readonly<{
  userId: UserId
  /** The outside forms. */
  name: string
  bank: string
  token: string
}>

/** A caller who has a password, and so can sign in anew. */
export type Member = Caller & Readonly<{ login: Login }>
export type Login = Readonly<{ login: string; password: string }>

export type Ask = Readonly<{
  method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  path: string
  body?: object
  key?: string
  token?: string
  /** How long the caller waits for the answer. */
  patienceMs?: number
}>

const PATIENCE_MS = 30_000

/** Asks once. Throws when the connection breaks, or nothing comes. */
export async function ask<T = Record<string, unknown>>(
  api: string,
  { method, path, body, key, token, patienceMs = PATIENCE_MS }: Ask,
): Promise<Answer<T>> {
  const answer = await fetch(api + path, {
    method,
    headers: {
      ...(body && { 'content-type': 'application/json' }),
      ...(key !== undefined && { 'idempotency-key': key }),
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    },
    signal: AbortSignal.timeout(patienceMs),
    ...(body && { body: JSON.stringify(body) }),
  })
  const text = await answer.text()
  const isOurs = (answer.headers.get('content-type') ?? '').includes('json')
  if (!isOurs && gateway.has(answer.status)) throw new GatewayError(answer.status)
  if (!isOurs && text !== '') throw new SyntaxError(`${answer.status} ${text.slice(0, 200)}`)
  const parsed = text === '' ? null : (JSON.parse(text) as unknown)
  return { status: answer.status, headers: answer.headers, body: parsed as T }
}

/** What a balancer says by itself, when it finds no server or its server breaks off. */
const gateway: ReadonlySet<number> = new Set([502, 503, 504])

class GatewayError extends Error {
  constructor(status: number) {
    super(`the balancer answers ${status}`)
    this.name = `gateway_${status}`
  }
}

/** One attempt: the answer, or that nobody knows, or that it has to be asked again. */
export async function tryAsk<T = Record<string, unknown>>(
  api: string,
  asked: Ask,
): Promise<Answer<T> | Again> {
  let answer
  try {
    answer = await ask<T & { code?: string }>(api, asked)
  } catch (error) {
    // The service or the way to it is down. An answer that is no JSON is another matter.
    if (error instanceof SyntaxError) throw error
    return { again: reasonOf(error) }
  }
  const { status, body } = answer
  const code = body?.code ?? ''
  // 502 and 504 are a balancer's: the server has gone, or said nothing.
  const again = [429, 502, 503, 504].includes(status) || code === 'request_in_progress'
  if (again) return { again: code }
  assert(status < 500, `${asked.method} ${asked.path} was answered ${status} ${code}`)
  return answer
}

/** In one word why there was no answer: the system's code where there is one. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { cause } = error
  if (typeof cause === 'object' && cause !== null && 'code' in cause) return String(cause.code)
  return error.name
}

/** Signs in. Null: refused. */
export async function trySignIn(
  api: string,
  login: Login,
  patienceMs?: number,
): Promise<string | null | Again> {
  const asked = { method: 'POST', path: '/v1/session', body: login } as const
  const limit = patienceMs === undefined ? {} : { patienceMs }
  const answer = await tryAsk<{ accessToken: string }>(api, { ...asked, ...limit })
  if (isAgain(answer)) return answer
  return answer.status === 200 ? answer.body.accessToken : null
}

/** Signs up, signs in, and links a bank account. Every step may be interrupted and asked again. */
export async function signUp(api: string): Promise<Member> {
  const digits = String(randomInt(10 ** 9)).padStart(9, '0')
  const [email, password] = [`c${digits}@example.com`, `a long pass phrase ${digits}`]
  const phoneNumber = `+1415${randomInt(2_000_000, 9_999_999)}`
  const keyed = async <T>(asked: Ask): Promise<Answer<T>> => {
    const key = randomUUID()
    return await insist(async () => await tryAsk<T>(api, { ...asked, key }))
  }
  const sign = { email, phoneNumber, password }
  const user = await keyed<{ userId: string }>({ method: 'POST', path: '/v1/user', body: sign })
  assert.equal(user.status, 201, JSON.stringify(user.body))
  const login = { login: email, password }
  const token = await insist(async () => await trySignIn(api, login))
  assert(token !== null, 'who has signed up can sign in')
  const name = user.body.userId
  const bankAccountNumber = `95${digits}`
  const link = { bankName: 'Sandbox', bankAccountNumber, bankRoutingNumber: '222222226' }
  const accounts = `/v1/user/${name}/accounts`
  const linked = await keyed<{ bankAccountId: string }>({
    method: 'POST',
    path: accounts,
    body: link,
    token,
  })
  assert.equal(linked.status, 201, JSON.stringify(linked.body))
  const bank = linked.body.bankAccountId
  const verify = `${accounts}/${bank}/verify`
  await until('the bank account is verified', async () => {
    const body = { amountsCents: [11, 22] }
    const answer = await tryAsk(api, { method: 'POST', path: verify, body, token })
    if (isAgain(answer) || answer.body['code'] === 'micro_entries_not_sent') return false
    const done = answer.status === 200 || answer.body['code'] === 'bank_account_not_pending'
    return done || assert.fail(JSON.stringify(answer.body))
  })
  const userId = parseId('user', name)
  assert(userId)
  return { userId, name, bank, token, login }
}

export type Move = Readonly<{
  kind: Heard['kind']
  caller: Caller
  /** The outside form of the receiver; of a bank transfer the caller. */
  payee: string
  cents: bigint
  key: string
  patienceMs?: number
}>

/** As far as the tests look at it. */
export type Transaction = Readonly<{
  transactionId: string
  status: Status
  declineReason: string | null
  amount: number
  finality: Readonly<{ state: 'final' | 'held' | 'in_transit' | 'returned' }>
}>

function printDollars(cents: bigint): string {
  return `${cents / 100n}.${String(cents % 100n).padStart(2, '0')}`
}

/** The request for a move. */
export function moveAsk({ kind, caller, payee, cents, key, patienceMs }: Move): Ask {
  const fromId = kind === 'add_money' ? caller.bank : caller.name
  const toId = kind === 'cash_out' ? caller.bank : payee
  const body = { fromId, toId, amount: printDollars(cents) }
  const asked = { method: 'POST', path: '/v1/transaction', body, key, token: caller.token } as const
  return patienceMs === undefined ? asked : { ...asked, patienceMs }
}

/** One attempt at moving money under a key, as it is held against the books. */
export async function tryMove(api: string, move: Move, began: number): Promise<Heard | Again> {
  const { kind, caller, payee, cents, key } = move
  const answer = await tryAsk<Transaction>(api, moveAsk(move))
  if (isAgain(answer)) return answer
  const said = { caller: caller.userId, key, kind, payee: userOf(payee), cents, began }
  const heard = { ...said, ended: performance.now() }
  if (answer.status !== 200) return { ...heard, answer: null }
  return { ...heard, answer: asAnswer(answer.body) }
}

/** Takes the first money from the bank, and waits for it. */
export async function fund(api: string, caller: Caller, cents: bigint): Promise<void> {
  const move = { kind: 'add_money', caller, payee: caller.name, cents, key: randomUUID() } as const
  await insist(async () => await tryMove(api, move, performance.now()))
  await until('the first money is there', async () => (await readBalance(api, caller)) === cents)
}

/** What the service says, later, of a request under a key. Null when it knows none. */
export async function findRequest(
  api: string,
  { token }: Caller,
  key: string,
): Promise<Heard['answer']> {
  const path = `/v1/request/${key}`
  const answer = await insist(
    async () => await tryAsk<{ transaction: Transaction }>(api, { method: 'GET', path, token }),
  )
  if (answer.status === 404) return null
  assert.equal(answer.status, 200)
  return asAnswer(answer.body.transaction)
}

export async function readBalance(api: string, { name, token }: Caller): Promise<bigint> {
  const path = `/v1/user/${name}`
  const answer = await insist(
    async () => await tryAsk<{ balance: number }>(api, { method: 'GET', path, token }),
  )
  return BigInt(answer.body.balance)
}

export function asAnswer({ transactionId, status, declineReason }: Transaction): Heard['answer'] {
  const id = parseId('txn', transactionId)
  assert(id, `${transactionId} is no id`)
  return { id, status, declineReason }
}

export function userOf(name: string): UserId {
  const id = parseId('user', name)
  assert(id, `${name} is no user's id`)
  return id
}
