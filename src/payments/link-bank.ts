import { findBankAccount, openNumber } from '../banks/find.ts'
import type { BankAccount } from '../banks/bank-account.ts'
import { link } from '../banks/link.ts'
import { unlink } from '../banks/unlink.ts'
import { recordMicroEntries, tryMicroAmounts } from '../banks/verify.ts'
import type { MicroAmounts } from '../banks/verify.ts'
import { inTransaction } from '../db/tx.ts'
import { AppError } from '../errors.ts'
import { newId } from '../ids/ids.ts'
import type { BankAccountId, UserId } from '../ids/ids.ts'
import { chart } from '../ledger/chart.ts'
import { addJob } from '../queue/jobs.ts'
import { findUser } from '../users/find.ts'
import { fingerprint, internalKey } from './rules/fingerprint.ts'
import { once } from './ride/once.ts'
import { LOCK_TIMEOUT_MS } from './parts.ts'
import type { PaymentParts } from './parts.ts'
import type { BankAccountLink, Key, Shown } from './asks.ts'
import { refusalOf } from './rules/verdict.ts'
import type { Answered } from './rules/views.ts'

/**
 * Links a bank account, and asks for its micro-entries unless the number has lately been sent some.
 * Nothing moves through it before they are named.
 *
 * @throws AppError `routing_number_invalid`, `bank_account_duplicate`, `bank_account_limit`,
 * `bank_account_locked`, `step_up_required`, `idempotency_key_reused`.
 */
export async function linkBankAccount(
  parts: PaymentParts,
  caller: UserId,
  ask: BankAccountLink,
  key: Key,
  { fresh }: Shown,
): Promise<Answered<BankAccount>> {
  const { bankAccountNumber: accountNumber, bankRoutingNumber: routingNumber, ...rest } = ask
  const asked = [
    ask.bankName,
    ask.bankPhoneNumber,
    ask.bankEmail,
    accountNumber,
    routingNumber,
    ask.accountType,
  ]
  const { subject, replayed } = await once<BankAccountId>(
    parts,
    { caller, key, action: 'account.link', ask: asked },
    async (tx) => {
      // Here, where a request that was carried out before never comes.
      if (!fresh) throw new AppError('step_up_required')
      const now = parts.clock.now()
      const wanted = { ...rest, userId: caller, routingNumber, accountNumber }
      const { bankAccount, unsent } = await link(tx, parts.banks, wanted, now)
      if (unsent !== null) {
        await addJob(tx, 'send-micro-entries', { userId: caller, bankAccountId: unsent }, {})
      }
      return bankAccount.bankAccountId
    },
  )
  return { value: await known(parts, caller, subject), replayed }
}

/** @throws AppError `bank_account_unknown`, `idempotency_key_reused`. */
export async function unlinkBankAccount(
  parts: PaymentParts,
  caller: UserId,
  id: BankAccountId,
  key: Key,
): Promise<Answered<null>> {
  const ask = { caller, key, action: 'account.unlink', ask: [id] }
  const { replayed } = await once<BankAccountId>(parts, ask, async (tx) => {
    await unlink(tx, caller, id, parts.clock.now())
    return id
  })
  return { value: null, replayed }
}

/**
 * The owner names the two micro-entries that their statement shows.
 *
 * @throws AppError `micro_amounts_wrong` with `attemptsLeft`, `bank_account_locked`,
 * `bank_account_not_pending`, `micro_entries_not_sent`, `bank_account_unknown`,
 * `idempotency_key_reused`.
 */
export async function verifyBankAccount(
  parts: PaymentParts,
  caller: UserId,
  { id, amountsCents }: Readonly<{ id: BankAccountId; amountsCents: MicroAmounts }>,
  key: Key,
): Promise<Answered<BankAccount>> {
  const { subject, replayed } = await once<BankAccountId>(
    parts,
    { caller, key, action: 'account.verify', ask: [id, ...amountsCents] },
    async (tx) => {
      const answer = await tryMicroAmounts(tx, caller, id, amountsCents)
      switch (answer.verdict) {
        case 'verified':
          return id
        case 'micro_amounts_wrong':
          throw new AppError('micro_amounts_wrong', { attemptsLeft: answer.triesLeft })
        case 'micro_entries_not_sent':
        case 'bank_account_locked':
        case 'bank_account_not_pending':
        case 'bank_account_unknown':
          throw new AppError(answer.verdict)
      }
    },
    { countsRefusals: true },
  )
  return { value: await known(parts, caller, subject), replayed }
}

/**
 * The job behind a link: the rail sends the two amounts, the books carry what they cost, and we
 * keep them. Each of the three may have happened before: all go by the id of the link that they
 * are sent for, so that they happen once. The user may have unlinked meanwhile: the money did go.
 */
export async function sendMicroEntries(
  parts: PaymentParts,
  userId: UserId,
  bankAccountId: BankAccountId,
): Promise<void> {
  const user = await findUser(parts.pool, userId)
  const account = await findBankAccount(parts.pool, userId, bankAccountId)
  if (!user || !account) throw new Error('a job names a bank account that does not exist')
  const amounts = await parts.rail.sendMicroEntries({
    id: bankAccountId,
    routingNumber: account.routingNumber,
    accountNumber: await openNumber(parts.pool, parts.banks.sealKeys, { userId, bankAccountId }),
    accountType: account.accountType,
    name: user.displayName,
  })
  await bookMicroEntries(parts, userId, bankAccountId, amounts)
  await inTransaction(
    parts.pool,
    async (tx) => {
      await recordMicroEntries(tx, userId, bankAccountId, amounts)
    },
    { lockTimeoutMs: LOCK_TIMEOUT_MS },
  )
}

async function bookMicroEntries(
  parts: PaymentParts,
  userId: UserId,
  bankAccountId: BankAccountId,
  amounts: MicroAmounts,
): Promise<void> {
  const [cost, bank] = [chart.microEntries.id, chart.bankClearing.id]
  const amount = BigInt(amounts[0] + amounts[1])
  const line = { opens: false, note: null }
  const request = {
    caller: userId,
    key: internalKey('micro-entries', bankAccountId),
    ask: fingerprint(parts.digestKey, ['micro-entries', ...amounts]),
    action: 'micro_entries',
    subject: null,
  }
  const verdict = await parts.ledger.post({
    movement: {
      transaction: newId('txn'),
      kind: 'micro_entries',
      lines: [
        { account: cost, other: bank, change: { amount: -amount }, ...line },
        { account: bank, other: cost, change: { amount }, ...line },
      ],
      ifDeclined: [],
    },
    tokens: [request.caller + request.key],
    passenger: { request, step: { is: 'internal' } },
  })
  if (verdict.outcome !== 'void') return
  const bookedBefore = typeof verdict.reason !== 'string' && verdict.reason.is === 'replay'
  if (!bookedBefore) throw refusalOf(verdict)
}

async function known(
  parts: PaymentParts,
  caller: UserId,
  id: BankAccountId | null,
): Promise<BankAccount> {
  const account = id === null ? null : await findBankAccount(parts.pool, caller, id)
  if (!account) throw new AppError('bank_account_unknown')
  return account
}
