import { setTimeout as sleep } from 'node:timers/promises'
import type { BankAccountId, UserId } from '../../ids/ids.ts'
import { printId } from '../../ids/ids.ts'
import { readMailbox } from '../../messages/mailbox.ts'
import { money, printDollars } from '../../money.ts'
import type { Channel } from '../../users/user.ts'
import { AppError } from '../../errors.ts'
import type { House } from '../build.ts'

type Person = Readonly<{
  handle: string
  displayName: string
  email: string
  phoneNumber: string
  accountNumber: string
  cents: bigint
}>

/** Numbers set aside for fiction, addresses at a domain that nobody can own. RFC 2606 section 3 */
const people: readonly Person[] = [
  {
    handle: 'alice',
    displayName: 'Alice',
    email: 'alice@example.com',
    phoneNumber: '+12025550101',
    accountNumber: '9500000001',
    cents: 100_000n,
  },
  {
    handle: 'bob',
    displayName: 'Bob',
    email: 'bob@example.com',
    phoneNumber: '+12025550102',
    accountNumber: '9500000002',
    cents: 25_000n,
  },
]

const PASSWORD = 'copper kettle on the hob'
/** What the sandbox bank sends to account numbers that begin with 95. */
const MICRO_AMOUNTS = [11, 22] as const
const ROUTING_NUMBER = '222222226'
/** Jobs and the sandbox bank take a moment; with slow settings the money is left on its way. */
const PATIENCE_MS = 30_000
const LOOK_MS = 50

const whole = { start: null, end: null }

/**
 * Two users with proven contacts, a linked bank account each, and money that came in from it. All
 * by the flows that customers use. Every step is looked up or under a key, so that a start that was
 * killed halfway is finished by the next one, and nothing is done twice.
 *
 * @returns what a developer needs to sign in as them.
 */
export async function seedDemo(house: House): Promise<string> {
  const lines = await Promise.all(people.map(async (person) => await seedOrTell(house, person)))
  return [`Demo users, both with the password "${PASSWORD}":`, ...lines].join('\n')
}

async function seedOrTell(house: House, person: Person): Promise<string> {
  try {
    return await seed(house, person)
  } catch (error) {
    // Developers may have done anything to these users. The server is of use all the same.
    if (!(error instanceof AppError)) throw error
    return `  ${person.handle.padEnd(7)} could not be made ready (${error.code})`
  }
}

async function seed(house: House, person: Person): Promise<string> {
  const { handle, displayName, email, phoneNumber } = person
  const ask = { handle, displayName, email, phoneNumber, password: PASSWORD }
  const place = { network: '127.0.0.1', device: 'demo' }
  const { userId } = await house.authLayer.signUp(ask, `demo-sign-up-${handle}`, place)
  const own = await house.payments.ownUser(userId, whole)
  if (own.user.emailVerifiedAt === null) await prove(house, userId, 'email', email)
  if (own.user.phoneVerifiedAt === null) await prove(house, userId, 'phone', phoneNumber)
  const bank = await ensureBank(house, userId, person)
  await addMoney(house, userId, bank, person)
  const { wallet } = await house.payments.ownUser(userId, whole)
  const columns = [handle.padEnd(7), email.padEnd(18), printDollars(wallet.balance).padStart(10)]
  return `  ${columns.join(' ')}  ${printId('user', userId)}`
}

/** Names the code from the message, as its reader would. An old one is replaced. */
async function prove(house: House, userId: UserId, channel: Channel, to: string): Promise<void> {
  const { payments, pool } = house
  await until(async () => {
    const [latest] = await readMailbox(pool, to, 1)
    const code = /\b\d{6}\b/.exec(latest?.body ?? '')?.[0]
    if (code === undefined) return false
    try {
      await payments.confirmContact(userId, { channel, code }, null)
      return true
    } catch (error) {
      if (!isRefusal(error, 'code_expired')) throw error
      await payments.sendContactCode(userId, channel, null)
      return false
    }
  })
}

async function ensureBank(house: House, userId: UserId, person: Person): Promise<BankAccountId> {
  const { payments } = house
  const ask = {
    bankName: 'Sandbox Bank',
    bankPhoneNumber: null,
    bankEmail: null,
    bankAccountNumber: person.accountNumber,
    bankRoutingNumber: ROUTING_NUMBER,
    accountType: 'checking',
  } as const
  const key = `demo-bank-${person.handle}`
  const { value: bank } = await payments.linkBankAccount(userId, ask, key, { fresh: true })
  const id = bank.bankAccountId
  if (bank.status === 'verified') return id
  await until(async () => {
    try {
      await payments.verifyBankAccount(userId, { id, amountsCents: MICRO_AMOUNTS }, null)
      return true
    } catch (error) {
      if (isRefusal(error, 'micro_entries_not_sent')) return false
      throw error
    }
  })
  return id
}

async function addMoney(
  { payments }: House,
  userId: UserId,
  bank: BankAccountId,
  { handle, cents }: Person,
): Promise<void> {
  const ask = {
    from: { kind: 'bank', id: bank },
    to: { kind: 'user', id: userId },
    amount: money(cents),
    note: 'Welcome',
    transactionDate: null,
  } as const
  const key = `demo-money-${handle}`
  const { value } = await payments.moveMoney(userId, ask, key, { fresh: true })
  await until(async () => {
    const { finality } = await payments.findTransaction(userId, value.transactionId)
    return finality.state !== 'in_transit'
  })
}

function isRefusal(error: unknown, code: AppError['code']): boolean {
  return error instanceof AppError && error.code === code
}

/** Waits until it is so; goes on without when that takes too long. */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS
  while (!(await isSo()) && performance.now() < deadline) await sleep(LOOK_MS)
}
