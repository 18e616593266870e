import { noFence } from '../cache/kit/no-fence.ts'
import assert from 'node:assert/strict'
import { randomBytes, randomInt } from 'node:crypto'
import { withCopies } from '../../src/bin/cache/copies.ts'
import type { ServerCache } from '../../src/cache/cache.ts'
import { createFreezeNotes, createRecorder } from '../../src/auth/guard/record.ts'
import { connectLedger } from '../../src/db/pool.ts'
import type { Pool } from '../../src/db/pool.ts'
import { handle } from '../../src/functions/handlers.ts'
import type { BankAccountId, UserId } from '../../src/ids/ids.ts'
import { chart } from '../../src/ledger/chart.ts'
import { createLedger } from '../../src/ledger/ledger.ts'
import { openAccounts } from '../../src/ledger/store.ts'
import { mailboxDelivery, readMailbox } from '../../src/messages/mailbox.ts'
import { money } from '../../src/money.ts'
import { auditBooks } from '../../src/ops/audit.ts'
import type { LimitRules } from '../../src/payments/rules/limits.ts'
import { createPassengers } from '../../src/payments/ride/passengers.ts'
import type { PaymentParts } from '../../src/payments/parts.ts'
import { createPayments } from '../../src/payments/payments.ts'
import type { Payments } from '../../src/payments/asks.ts'
import type { TransactionView } from '../../src/payments/rules/views.ts'
import type { RunJob } from '../../src/queue/jobs.ts'
import { runJobs, type JobRunner } from '../../src/queue/run.ts'
import { createSandboxBank } from '../../src/rails/bank/sandbox.ts'
import { after, systemClock } from '../../src/time.ts'
import type { Clock } from '../../src/time.ts'
import { here, names, openAuth } from './auth.ts'
import type { TestAuth } from './auth.ts'
import { until } from './until.ts'
import { freshDatabase } from './database.ts'

/** Who freezes, where it does not matter. */
export const operator = { name: 'a test', clientId: null, network: null, device: null } as const
const whole = { start: null, end: null } as const

export type WorldOptions = Readonly<{
  limits?: LimitRules | null
  settleMs?: number
  /** In place of the functions in this process. */
  startJobs?: (url: string, parts: PaymentParts) => Promise<JobRunner>
  /** Copies in front of what it reads. */
  cache?: (parts: Readonly<{ url: string; pool: Pool; clock: Clock }>) => ServerCache
}>

export type World = Readonly<{
  url: string
  pool: Pool
  parts: PaymentParts
  payments: Payments
  auth: TestAuth
  /** Moves the clock of the house, not of the database. */
  advance: (span: bigint) => void
  /** A user with proven contacts. */
  person: () => Promise<UserId>
  /** A verified bank account; 95… succeeds, 9000000003 comes back. */
  bank: (user: UserId, accountNumber?: string) => Promise<BankAccountId>
  /** Money comes in from a bank, and has arrived. */
  addMoney: (user: UserId, from: BankAccountId, cents: bigint) => Promise<TransactionView>
  /** A user with money that came in from a bank. */
  rich: (cents: bigint) => Promise<UserId>
  pay: (from: UserId, to: UserId, cents: bigint, key?: string) => Promise<TransactionView>
  /** Waits for the fact, ten seconds at most. */
  until: <T>(fact: () => Promise<T | null | undefined | false>) => Promise<T>
  codeFor: (user: UserId) => Promise<string>
  /** The newest code in a mailbox, of the messages whose subject begins so. */
  lastCode: (recipient: string | null, subject?: string) => Promise<string | null>
  assertBooks: () => Promise<void>
  close: () => Promise<void>
  /** Proves the books and closes, also when they are wrong: else the file would never end. */
  end: () => Promise<void>
}>

/**
 * The whole house but its doors, on a database of its own, with its real queue and sandbox bank.
 */
export async function startWorld(options: WorldOptions = {}): Promise<World> {
  const database = await freshDatabase()
  const { pool, url } = database
  let offset = 0n
  const clock: Clock = { now: () => after(systemClock.now(), offset) }
  const digestKey = randomBytes(32)
  const limits = options.limits ?? null
  const cache = options.cache?.({ url, pool, clock }) ?? null
  const fence = cache?.fence ?? noFence
  await cache?.start()
  const ledger = createLedger({
    connect: async () =>
      await connectLedger({
        url,
        statementTimeoutMs: 5_000,
        lockTimeoutMs: 4_000,
        applicationName: 'test ledger',
      }),
    passengers: createPassengers(limits),
    fence,
    clock,
    lanes: 2,
  })
  await openAccounts(pool, Object.values(chart), clock.now())
  const parts: PaymentParts = {
    pool,
    ledger,
    fence,
    clock,
    rail: createSandboxBank({ db: pool, clock, settleMs: options.settleMs ?? 0, key: digestKey }),
    banks: {
      sealKeys: new Map([['k1', randomBytes(32)]]),
      digestKey,
      routingRanges: 'any',
      pairsPerNumber: null,
    },
    digestKey,
    limits,
    verificationThreshold: money(50_000n),
    stepUpThreshold: money(100_000n),
    noteFrozen: createFreezeNotes(createRecorder(pool, clock)),
  }
  const payments = withCopies(createPayments(parts), parts, cache?.read ?? null)
  const auth = openAuth({ pool, clock, digestKey })
  const deliver = mailboxDelivery(pool, clock)
  const audit = async () => await assertBooks(pool)
  const functions = { payments: parts, deliver, audit, authUrl: names.issuer }
  const run: RunJob = async (event) => await handle(event, functions)
  const timeouts = { shortMs: 60_000, longMs: 60_000 }
  const jobs =
    (await options.startJobs?.(url, parts)) ??
    runJobs({ databaseUrl: url, run, concurrency: 4, timeouts })

  const person = async () => {
    const digits = String(randomInt(1_000_000_000)).padStart(9, '0')
    const { userId } = await auth.layer.signUp(
      {
        email: `p${digits}@example.com`,
        phoneNumber: `+1415${String(randomInt(2_000_000, 9_999_999))}`,
        password: `a long pass phrase ${digits.slice(0, 3)}`,
        displayName: null,
        handle: null,
      },
      null,
      here,
    )
    const { email, phoneNumber } = (await payments.ownUser(userId, whole)).user
    for (const [channel, recipient] of [
      ['email', email],
      ['phone', phoneNumber],
    ] as const) {
      const code = await until('a code came', async () => await lastCode(pool, recipient))
      await payments.confirmContact(userId, { channel, code }, null)
    }
    return userId
  }
  const bank = async (user: UserId, accountNumber = `95${randomInt(10 ** 9)}`) => {
    const { value } = await payments.linkBankAccount(
      user,
      {
        bankName: 'Sandbox Bank',
        bankPhoneNumber: null,
        bankEmail: null,
        bankAccountNumber: accountNumber,
        bankRoutingNumber: '222222226',
        accountType: 'checking',
      },
      null,
      { fresh: true },
    )
    const id = value.bankAccountId
    await until('the amounts were sent, and verify', async () => {
      const { rows } = await pool.query<{ amounts: number[] | null }>(
        `select micro_amounts_cents as amounts from bank_account where bank_account_id = $1`,
        [id],
      )
      const [first, second] = rows[0]?.amounts ?? []
      if (first === undefined || second === undefined) return null
      return await payments.verifyBankAccount(user, { id, amountsCents: [first, second] }, null)
    })
    return id
  }
  const addMoney = async (user: UserId, from: BankAccountId, cents: bigint) => {
    const { value } = await payments.moveMoney(
      user,
      {
        from: { kind: 'bank', id: from },
        to: { kind: 'user', id: user },
        amount: money(cents),
        note: null,
        transactionDate: null,
      },
      null,
      { fresh: true },
    )
    return await until('the money came', async () => {
      const found = await payments.findTransaction(user, value.transactionId)
      return found.status === 'accepted' && found
    })
  }
  const close = async () => {
    await jobs.stop()
    await ledger.close()
    await cache?.stop()
    await database.drop()
  }
  return {
    url,
    pool,
    parts,
    payments,
    auth,
    advance: (span) => {
      offset += span
    },
    person,
    bank,
    addMoney,
    rich: async (cents) => {
      const user = await person()
      await addMoney(user, await bank(user), cents)
      return user
    },
    pay: async (from, to, cents, key) => {
      const ask = {
        from: { kind: 'user', id: from },
        to: { kind: 'user', id: to },
        amount: money(cents),
        note: null,
        transactionDate: null,
      } as const
      return (await payments.moveMoney(from, ask, key ?? null, { fresh: true })).value
    },
    until: async (fact) => await until('what the test waits for', fact),
    lastCode: async (recipient, subject) => await lastCode(pool, recipient, subject),
    codeFor: async (user) => {
      const { user: found } = await payments.ownUser(user, { start: null, end: null })
      return await until(
        'a code came',
        async () => await lastCode(pool, found.email, 'Confirm your payment'),
      )
    },
    assertBooks: async () => await assertBooks(pool),
    close,
    end: async () => {
      try {
        await assertBooks(pool)
      } finally {
        await close()
      }
    },
  }
}

async function assertBooks(pool: Pool): Promise<void> {
  const findings = await auditBooks(pool)
  assert.deepEqual(
    findings.flatMap(({ offences }) => offences),
    [],
  )
  assert(findings.length >= 16, 'the audit has lost some of its checks')
}

async function lastCode(
  pool: Pool,
  recipient: string | null,
  subject = '',
): Promise<string | null> {
  assert(recipient !== null, 'they have no such contact')
  const messages = await readMailbox(pool, recipient, 10)
  const message = messages.find((one) => one.subject.startsWith(subject))
  return message ? (/\b\d{6}\b/.exec(message.body)?.[0] ?? null) : null
}
