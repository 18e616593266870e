import { noFence } from '../../test/cache/kit/no-fence.ts'
import { randomInt, randomUUID } from 'node:crypto'
import { readConfig } from '../../src/config.ts'
import { connectLedger } from '../../src/db/pool.ts'
import { newId } from '../../src/ids/ids.ts'
import type { UserId } from '../../src/ids/ids.ts'
import { walletOf } from '../../src/ledger/account.ts'
import { createLedger } from '../../src/ledger/ledger.ts'
import type { Passengers, Ride } from '../../src/ledger/passengers.ts'
import { money } from '../../src/money.ts'
import { digestKey, fingerprint } from '../../src/payments/rules/fingerprint.ts'
import { begin } from '../../src/payments/rules/movement.ts'
import type { Passenger } from '../../src/payments/ride/passenger.ts'
import { createPassengers } from '../../src/payments/ride/passengers.ts'
import { systemClock } from '../../src/time.ts'
import { answerParent } from './child.ts'
import { closedLoop } from '../samples.ts'
import type { Sample } from '../samples.ts'

/** `alone`: two entries and no more. `riding`: with the payment's rows, its key, its limits. */
export type How = 'alone' | 'riding'

export type Posters = Readonly<{
  /** Two books with as many users in each. */
  setup: Readonly<Record<How, Readonly<{ url: string; people: readonly UserId[] }>>>
  ask: Readonly<{
    post: How
    /** Between so many of them. */
    among: number
    callers: number
    ms: number
  }>
  answer: Sample
}>

const nobody: Passengers<null, never> = {
  look: () => Promise.resolve(() => () => null),
  write: () => Promise.resolve(),
}

/** Random payments straight into the ledger, without people, HTTP or JSON around it. */
answerParent<Posters>((books) => {
  const config = readConfig({})
  const partsFor = ({ url }: Posters['setup'][How]) => ({
    connect: async () =>
      await connectLedger({
        url,
        statementTimeoutMs: config.statementTimeoutMs,
        lockTimeoutMs: config.statementTimeoutMs,
        applicationName: 'bench posters',
      }),
    clock: systemClock,
    fence: noFence,
    lanes: config.ledgerConnections,
  })
  const alone = createLedger({ ...partsFor(books.alone), passengers: nobody })
  const passengers = createPassengers(config.limits)
  const riding = createLedger({ ...partsFor(books.riding), passengers })

  const post = {
    alone: async (among: number) => await alone.post(bare(...twoOf(books.alone.people, among))),
    riding: async (among: number) => {
      return await riding.post(payment(...twoOf(books.riding.people, among)))
    },
  }
  return Promise.resolve({
    answer: async ({ post: how, among, callers, ms }) =>
      await closedLoop({ callers, ms }, async () => {
        const { outcome } = await post[how](among)
        if (outcome !== 'posted') throw new Error(`a payment between rich wallets was ${outcome}`)
      }),
    close: async () => {
      await Promise.all([alone.close(), riding.close()])
    },
  })
})

const CENT = 1n
const amount = money(CENT)

/** Nothing of it shows to people, so nothing counts as sent. */
function bare(payer: UserId, payee: UserId): Ride<null> {
  const [from, to] = [walletOf(payer), walletOf(payee)]
  const change = { opens: false, note: null }
  const lines = [
    { account: from, other: to, change: { amount: -CENT }, ...change },
    { account: to, other: from, change: { amount }, ...change },
  ]
  const transaction = newId('txn')
  const movement = { transaction, kind: 'payment', lines, ifDeclined: [] } as const
  return { movement, tokens: [], passenger: null }
}

const secret = new Uint8Array(32)

/** As `payments/pay.ts` sends it. */
function payment(payer: UserId, payee: UserId): Ride<Passenger> {
  const transaction = newId('txn')
  const note = 'Thanks for lunch'
  const terms = { transaction, kind: 'payment', payer, payee, amount, note } as const
  const action = 'transaction.create'
  const ask = fingerprint(secret, [action, payer, payee, amount, note])
  const key = digestKey(randomUUID())
  const request = { caller: payer, key, ask, action, subject: transaction }
  const step = { is: 'begin', terms, bankAccount: null, to: 'accepted', until: null } as const
  return {
    movement: begin(terms, false),
    tokens: [request.caller + request.key],
    passenger: { request, step: { ...step, code: null, jobs: [] } },
  }
}

function twoOf(people: readonly UserId[], among: number): [UserId, UserId] {
  const first = randomInt(among)
  const second = (first + 1 + randomInt(among - 1)) % among
  return [people[first] as UserId, people[second] as UserId]
}
