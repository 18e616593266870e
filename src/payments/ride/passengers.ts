import assert from 'node:assert/strict'
import { lockForTransfer } from '../../banks/find.ts'
import type { Queryable } from '../../db/query.ts'
import { walletOf } from '../../ledger/account.ts'
import type { Account, Accounts } from '../../ledger/account.ts'
import type { Passengers, Ride, Settled } from '../../ledger/passengers.ts'
import type { Admit } from '../../ledger/post.ts'
import { readTotals, versionAt } from '../../ledger/store.ts'
import type { UserId } from '../../ids/ids.ts'
import { addJobs } from '../../queue/jobs.ts'
import { after } from '../../time.ts'
import type { Micros } from '../../time.ts'
import { findUsers } from '../../users/find.ts'
import { tierOf } from '../../users/user.ts'
import type { Tier } from '../../users/user.ts'
import { brokenLimit, nothingBefore, used, WINDOW } from '../rules/limits.ts'
import type { WindowStart, LimitRules } from '../rules/limits.ts'
import type { Begin, Next, Passenger, Reason } from './passenger.ts'
import { states } from '../rules/state.ts'
import * as requestStore from './store.ts'
import * as store from '../store.ts'
import type { FoundRequest } from './store.ts'
import type { NewTransaction } from '../store.ts'
import { declineReasonOf } from '../rules/verdict.ts'

type PaymentRide = Ride<Passenger>
type Refusal = ReturnType<Admit<Reason>>

const noTiers: ReadonlyMap<string, Tier> = new Map()

/**
 * What payments ask under the ledger's locks, and the rows that they write with the money.
 * `limits` null: nobody is limited.
 */
export function createPassengers(limits: LimitRules | null): Passengers<Passenger, Reason> {
  return {
    look: async (tx, rides) => {
      const [requests, stands, banks] = await Promise.all([
        lookUpRequests(tx, rides),
        lookUpStates(tx, rides),
        lookUpBanks(tx, rides),
      ])
      return async (accounts, now) => {
        const tiers = limits ? await readTiers(tx, limits, rides, accounts) : noTiers
        const tierOf = ({ id }: Account) => tiers.get(id) ?? 'unverified'
        const heavy = limits ? suspects(limits, rides, accounts, tierOf) : []
        const bases = await readWindowStarts(tx, heavy, now)
        return (index, current): Refusal => {
          const ride = rides[index]
          assert(ride, 'a movement without its passenger')
          return (
            requests(ride) ??
            stands(ride) ??
            banks(ride) ??
            frozenAsks(ride, current) ??
            (limits && overLimit(limits, ride, current, tiers, bases))
          )
        }
      }
    },
    write: async (tx, settled) => {
      const standing = settled.filter(({ verdict }) => verdict.outcome !== 'void')
      await Promise.all([...writeNew(tx, standing), ...writeNext(tx, standing)])
    },
  }
}

/** One request, one effect: the rule, under the lock of the payer's wallet. */
async function lookUpRequests(tx: Queryable, rides: readonly PaymentRide[]) {
  const wanted = rides.flatMap(({ passenger }) => passenger.request ?? [])
  const found = new Map<string, FoundRequest>()
  if (wanted.length > 0) {
    for (const row of await requestStore.findRequests(tx, wanted))
      found.set(row.userId + row.key, row)
  }
  return ({ passenger: { request } }: PaymentRide): Refusal => {
    const earlier = request && found.get(request.caller + request.key)
    if (!earlier) return null
    const same = earlier.ask === request.ask
    const reason = same
      ? ({ is: 'replay', subject: earlier.subject } as const)
      : ({ is: 'key_reused' } as const)
    return { outcome: 'void', reason }
  }
}

/** A transaction goes on from where it is thought to stand, or not at all. */
async function lookUpStates(tx: Queryable, rides: readonly PaymentRide[]) {
  const steps = rides.flatMap(({ passenger: { step } }) => (step.is === 'next' ? step : []))
  const found = steps.length > 0 ? await store.readStates(tx, steps) : new Map<string, number>()
  return ({ passenger: { step } }: PaymentRide): Refusal => {
    if (step.is !== 'next' || found.get(step.terms.transaction) === states[step.from]) return null
    return { outcome: 'void', reason: { is: 'not_waiting' } }
  }
}

/**
 * The bank account of a transaction that the bank will be told of is read with a lock: an unlinking
 * waits, or came first.
 */
async function lookUpBanks(tx: Queryable, rides: readonly PaymentRide[]) {
  const owners = rides.flatMap(({ passenger: { step } }) =>
    step.is !== 'internal' && step.bankAccount
      ? { userId: step.terms.payer, bankAccountId: step.bankAccount }
      : [],
  )
  const found = owners.length > 0 ? await lockForTransfer(tx, owners) : []
  const verified = new Set(
    found.filter(({ status }) => status === 'verified').map(({ bankAccountId }) => bankAccountId),
  )
  return ({ passenger: { step } }: PaymentRide): Refusal => {
    if (step.is === 'internal' || !step.bankAccount) return null
    if (verified.has(step.bankAccount)) return null
    return { outcome: 'void', reason: { is: 'bank_account_not_verified' } }
  }
}

/**
 * The books stop money that leaves a blocked wallet. A payment out of a bank account does not touch
 * it, and its payer's word for it counts no more all the same.
 */
function frozenAsks({ passenger: { step } }: PaymentRide, accounts: Accounts): Refusal {
  if (step.is !== 'next' || step.to !== 'waits_for_bank') return null
  const payer = accounts.get(walletOf(step.terms.payer))
  return payer?.state === 'open' ? null : { outcome: 'void', reason: { is: 'account_frozen' } }
}

/** Payers who would break a limit of their tier if all that ever left had left in this window. */
function suspects(
  limits: LimitRules,
  rides: readonly PaymentRide[],
  accounts: Accounts,
  tier: (payer: Account) => Tier,
): readonly Account[] {
  const asked = new Map<Account, { send: bigint; cashOut: bigint }>()
  for (const { passenger } of rides) {
    if (passenger.step.is !== 'begin') continue
    const { payer, kind, amount } = passenger.step.terms
    const account = accounts.get(walletOf(payer))
    if (!account || kind === 'add_money') continue
    const sum = asked.get(account) ?? used(account, nothingBefore)
    asked.set(account, {
      send: sum.send + (kind === 'cash_out' ? 0n : amount),
      cashOut: sum.cashOut + (kind === 'cash_out' ? amount : 0n),
    })
  }
  return [...asked].flatMap(([account, sum]) =>
    sum.send > limits.send[tier(account)] || sum.cashOut > limits.cashOut[tier(account)]
      ? account
      : [],
  )
}

/** Most payers are far below the lowest limit: nothing more is read for them. */
async function readTiers(
  tx: Queryable,
  limits: LimitRules,
  rides: readonly PaymentRide[],
  accounts: Accounts,
): Promise<ReadonlyMap<string, Tier>> {
  const payers = suspects(limits, rides, accounts, () => 'unverified')
  const users = await findUsers(
    tx,
    payers.map(({ id }) => id as string as UserId),
  )
  return new Map([...users.values()].map((user) => [user.userId, tierOf(user)]))
}

async function readWindowStarts(
  tx: Queryable,
  payers: readonly Account[],
  now: Micros,
): Promise<ReadonlyMap<string, WindowStart>> {
  const bases = payers.map(async ({ id }) => [id, await readWindowStart(tx, id, now)] as const)
  return new Map(await Promise.all(bases))
}

/** The version of the first entry that counts in the window that ends now. */
export async function firstInWindow(
  db: Queryable,
  id: Account['id'],
  now: Micros,
): Promise<bigint> {
  return await versionAt(db, id, after(now, 1n - WINDOW))
}

/** The totals of the last entry that is no longer in the window. */
async function readWindowStart(
  db: Queryable,
  id: Account['id'],
  now: Micros,
): Promise<WindowStart> {
  const first = await firstInWindow(db, id, now)
  const [base] = first > 1n ? await readTotals(db, id, first - 1n, 1) : []
  return base ?? nothingBefore
}

function overLimit(
  limits: LimitRules,
  { passenger: { step } }: PaymentRide,
  accounts: Accounts,
  tiers: ReadonlyMap<string, Tier>,
  bases: ReadonlyMap<string, WindowStart>,
): Refusal {
  if (step.is !== 'begin') return null
  const account = accounts.get(walletOf(step.terms.payer))
  assert(account, 'the payer has a locked wallet')
  const base = bases.get(account.id) ?? nothingBefore
  const name = brokenLimit(limits, tiers.get(account.id) ?? 'unverified', account, base, step.terms)
  return name && { outcome: 'declined', reason: { is: 'limit', name } }
}

function* writeNew(
  tx: Queryable,
  settled: readonly Settled<Passenger, Reason>[],
): Generator<Promise<unknown>> {
  const rows: NewTransaction[] = []
  const codes: Promise<void>[] = []
  for (const { ride, verdict } of settled) {
    const { step } = ride.passenger
    if (step.is !== 'begin' || verdict.outcome === 'void') continue
    const posted = verdict.outcome === 'posted'
    const declineReason = posted
      ? null
      : declineReasonOf(verdict.reason, step.terms, verdict.account)
    rows.push({ begin: step, state: posted ? step.to : 'declined', declineReason, at: verdict.at })
    if (posted && step.code) {
      codes.push(store.insertCode(tx, step.terms.payer, step.terms.transaction, step.code))
    }
  }
  if (rows.length > 0) yield store.insertTransactions(tx, rows)
  yield* codes
  yield* writeRequests(tx, settled)
}

/** Those of jobs one by one: their wallets are not locked, see `insertRequest`. */
function* writeRequests(
  tx: Queryable,
  settled: readonly Settled<Passenger, Reason>[],
): Generator<Promise<unknown>> {
  const made = settled.flatMap(({ ride: { passenger }, verdict }) =>
    passenger.request && verdict.outcome !== 'void'
      ? { ...passenger, request: passenger.request, at: verdict.at }
      : [],
  )
  const { jobs = [], people = [] } = Object.groupBy(made, ({ step }) =>
    step.is === 'internal' ? 'jobs' : 'people',
  )
  for (const { request, at } of jobs) yield requestStore.insertRequest(tx, request, at)
  const [first] = people
  if (!first) return
  const requests = people.map(({ request }) => request)
  yield requestStore.insertRequests(tx, requests, first.at)
}

function* writeNext(
  tx: Queryable,
  settled: readonly Settled<Passenger, Reason>[],
): Generator<Promise<unknown>> {
  const steps = settled.flatMap(({ ride: { passenger }, verdict }) =>
    verdict.outcome === 'posted' && passenger.step.is !== 'internal'
      ? { step: passenger.step, at: verdict.at }
      : [],
  )
  const next = steps.flatMap(({ step, at }) => (step.is === 'next' ? { next: step, at } : []))
  if (next.length > 0) yield store.advanceTransactions(tx, next)
  const pairs = steps.flatMap(({ step }) => (makesKnown(step) ? step.terms : []))
  if (pairs.length > 0) yield store.insertPayees(tx, pairs)
  const jobs = steps.flatMap(({ step }) => step.jobs)
  if (jobs.length > 0) yield addJobs(tx, jobs)
}

/** Money that reached another user makes that user known to the payer. */
function makesKnown(step: Begin | Next): boolean {
  return step.to === 'accepted' && step.terms.payer !== step.terms.payee
}
