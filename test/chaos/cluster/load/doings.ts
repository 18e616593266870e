import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { parseId } from '../../../../src/ids/ids.ts'
import { asAnswer, moveAsk, userOf } from '../../kit/caller.ts'
import type { Answer, Member, Move, Transaction } from '../../kit/caller.ts'
import type { Random } from '../../kit/random.ts'
import type { App, Heard } from './app.ts'
import type { Line, Seen } from './history.ts'

/** Of a hundred requests. */
const mix = {
  pay: 44,
  payTwiceAtOnce: 4,
  payNobody: 2,
  addMoney: 4,
  cashOut: 4,
  balance: 18,
  history: 14,
  recall: 6,
  signIn: 4,
} as const

/** Below the sum that waits for a code, and often more than is there. */
const LARGE_CENTS = 49_999
const SMALL_CENTS = 10_000
const NOBODY = 'user_0198f3c2e1b77c3a9d5e0f1a2b3c4d5e'
/** Keys that a customer remembers, to ask later what came of them. */
const REMEMBERED = 50
/** The newest transactions of a page that are written down. */
const NEWEST = 5

type Balance = Readonly<{ balance: number; held: number }>
type Page = Readonly<{ data: readonly Transaction[] }>
type Outcome = Readonly<{ transaction?: Transaction }>

export type People = Readonly<{
  /** Those who ask. */
  own: readonly Member[]
  /** Those who may be paid, by their outside names. */
  payees: readonly string[]
}>

/** What customers do, one thing at a time, chosen by chance. */
export function createDoings(
  people: People,
  app: App,
  random: Random,
  note: (line: Line) => void,
): () => Promise<void> {
  const keys = new Map<string, string[]>(people.own.map(({ name }) => [name, []]))
  const bag = Object.entries(mix).flatMap(([name, times]) => Array<string>(times).fill(name))

  async function move(who: Member, form: Pick<Move, 'kind' | 'payee'>, times = 1): Promise<void> {
    const cents = BigInt(1 + random.below(random.chance(0.1) ? LARGE_CENTS : SMALL_CENTS))
    const asked = { ...form, cents, caller: who, key: randomUUID() }
    await Promise.all(Array.from({ length: times }, async () => await moveOnce(asked)))
  }

  async function moveOnce(asked: Move & Readonly<{ caller: Member }>): Promise<void> {
    const heard = await app.ask<Transaction>(asked.caller, moveAsk(asked))
    if (heard === null) return
    const { timed, answer } = heard
    const refused = answer.status === 404 && asked.payee === NOBODY
    if (answer.status !== 200 && !refused) return note(odd('a move', heard, asked.key))
    const { kind, cents, key, caller } = asked
    const said = { caller: caller.userId, key, kind, payee: userOf(asked.payee), cents }
    const { began, ended } = timed
    const known = refused ? null : asAnswer(answer.body)
    note({ what: 'move', ...timed, heard: { ...said, began, ended, answer: known } })
    const own = keys.get(caller.name)
    if (known === null || !own) return
    if (own.push(key) > REMEMBERED) own.shift()
  }

  async function look<T>(who: Member, path: string, seen: (body: T) => Seen): Promise<void> {
    const heard = await app.ask<T>(who, { method: 'GET', path })
    if (heard === null) return
    const { timed, answer } = heard
    if (answer.status !== 200) return note(odd(path, heard, null))
    note({ what: 'read', user: who.userId, seen: seen(answer.body), ...timed })
  }

  async function recall(who: Member): Promise<void> {
    const own = keys.get(who.name) ?? []
    const key = own[random.below(own.length)]
    if (key === undefined) return
    const heard = await app.ask<Outcome>(who, { method: 'GET', path: `/v1/request/${key}` })
    if (heard === null) return
    const { transaction } = heard.answer.body
    const id = transaction ? (asAnswer(transaction)?.id ?? null) : null
    note({ what: 'recall', user: who.userId, key, id, ...heard.timed })
  }

  function someoneElse(who: Member): string {
    const others = people.payees.filter((name) => name !== who.name)
    return others[random.below(others.length)] ?? NOBODY
  }

  const doings: Readonly<Record<string, (who: Member) => Promise<void>>> = {
    pay: async (who) => await move(who, { kind: 'payment', payee: someoneElse(who) }),
    payTwiceAtOnce: async (who) => await move(who, { kind: 'payment', payee: someoneElse(who) }, 2),
    payNobody: async (who) => await move(who, { kind: 'payment', payee: NOBODY }),
    addMoney: async (who) => await move(who, { kind: 'add_money', payee: who.name }),
    cashOut: async (who) => await move(who, { kind: 'cash_out', payee: who.name }),
    balance: async (who) => await look<Balance>(who, `/v1/user/${who.name}`, balanceIn),
    history: async (who) => await look<Page>(who, `/v1/transactions/${who.name}`, newestIn),
    recall,
    signIn: async (who) => {
      const heard = await app.signIn(who)
      if (heard) note({ what: 'sign-in', user: who.userId, ...heard.timed })
    },
  }
  return async () => {
    const who = people.own[random.below(people.own.length)]
    const doing = doings[bag[random.below(bag.length)] ?? '']
    if (who && doing) await doing(who)
  }
}

function balanceIn({ balance, held }: Balance): Seen {
  return { of: 'balance', balance: BigInt(balance), held: BigInt(held) }
}

function newestIn({ data }: Page): Seen {
  const newest = data.slice(0, NEWEST).map(({ transactionId, finality }) => {
    const id = parseId('txn', transactionId) ?? assert.fail(transactionId)
    return { id, open: finality.state === 'held' || finality.state === 'in_transit' }
  })
  return { of: 'history', newest }
}

function odd(asked: string, { timed, answer }: Heard<Answer<unknown>>, key: string | null): Line {
  const said = `${answer.status} ${JSON.stringify(answer.body)}`
  return { what: 'odd', asked, key, answer: said, ...timed }
}
