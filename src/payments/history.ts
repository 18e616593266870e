import { findBankAccount, listBankAccounts as readBankAccounts } from '../banks/find.ts'
import type { BankAccount } from '../banks/bank-account.ts'
import { isLockTimeout } from '../db/errors.ts'
import { inTransaction } from '../db/tx.ts'
import { AppError } from '../errors.ts'
import type { BankAccountId, TransactionId, UserId } from '../ids/ids.ts'
import { walletOf } from '../ledger/account.ts'
import { waitForAccounts, readHistory, versionAt } from '../ledger/store.ts'
import type { HistoryEntry } from '../ledger/store.ts'
import { printTime, parseTime } from '../time.ts'
import { digestKey } from './rules/fingerprint.ts'
import { LOCK_TIMEOUT_MS } from './parts.ts'
import type { PaymentParts } from './parts.ts'
import type { PageAsk, Payments, RequestOutcome } from './asks.ts'
import * as requests from './ride/store.ts'
import * as store from './store.ts'
import { payeeView, payeeViewOf, payerView } from './rules/view.ts'
import type { Page, TransactionView } from './rules/views.ts'
import { ownUser } from './wallet.ts'

type ListAsk = Parameters<Payments['listTransactions']>[1]

/**
 * Entries read for one page at most: a filter that matches little gives short pages, not slow ones.
 */
const SCAN_MAX = 2_000
const CHUNK = 200
const VERSION_MAX = 2n ** 62n

/**
 * One transaction, for its parties. It lies with its payer, who mostly is the one that asks. The
 * receiver does not know whose it is, and their own chain is found by version: they ask all shards.
 *
 * @throws AppError `transaction_unknown`, also for someone else's.
 */
export async function findTransaction(
  parts: Pick<PaymentParts, 'pool'>,
  caller: UserId,
  id: TransactionId,
): Promise<TransactionView> {
  const [own] = await store.findOwnTransactions(parts.pool, caller, [id])
  const row = own ?? (await store.findTransactionById(parts.pool, id))
  const view = row && (row.payerId === caller ? payerView(row) : payeeViewOf(row, caller))
  if (!view) throw new AppError('transaction_unknown')
  return view
}

/**
 * A user's transactions, newest first. Its order is that of the user's chain of entries, which only
 * grows at its new end: no page ever skips or repeats one.
 */
export async function listTransactions(
  parts: PaymentParts,
  userId: UserId,
  ask: ListAsk,
): Promise<Page<TransactionView>> {
  const account = walletOf(userId)
  const { pool } = parts
  const from = ask.start === null ? 1n : await versionAt(pool, account, ask.start)
  const end = ask.end === null ? VERSION_MAX : await versionAt(pool, account, ask.end)
  const cursor = ask.cursor === null ? VERSION_MAX : versionOf(ask.cursor)
  const data: TransactionView[] = []
  let below = cursor < end ? cursor : end
  const plain = ask.status === null && ask.kind === null
  for (let scanned = 0; scanned < SCAN_MAX;) {
    // One more than is shown tells whether another page follows.
    const limit = plain ? ask.limit - data.length + 1 : CHUNK
    const entries = await readHistory(pool, account, { from, below, limit })
    const views = await viewsOf(parts, userId, entries)
    for (const [index, view] of views.entries()) {
      if (data.length === ask.limit) return { data, nextCursor: cursorOf(below) }
      below = entries[index]?.version ?? below
      if (matches(view, ask)) data.push(view)
    }
    if (entries.length < limit) return { data, nextCursor: null }
    scanned += entries.length
  }
  return { data, nextCursor: cursorOf(below) }
}

async function viewsOf(
  parts: PaymentParts,
  userId: UserId,
  entries: readonly HistoryEntry[],
): Promise<readonly TransactionView[]> {
  if (entries.length === 0) return []
  const ids = entries.map(({ transactionId }) => transactionId)
  const rows = await store.findOwnTransactions(parts.pool, userId, ids)
  const own = new Map(rows.map((row) => [row.transactionId, row]))
  return entries.map((entry) => {
    const row = own.get(entry.transactionId)
    return row ? payerView(row) : payeeView(entry, userId)
  })
}

function matches(view: TransactionView, { status, kind }: ListAsk): boolean {
  return (status === null || view.status === status) && (kind === null || view.kind === kind)
}

function cursorOf(version: bigint): string {
  return Buffer.from(`v${version}`).toString('base64url')
}

function versionOf(cursor: string): bigint {
  const text = Buffer.from(cursor, 'base64url').toString('latin1')
  if (!/^v\d{1,18}$/.test(text)) throw new AppError('cursor_invalid')
  return BigInt(text.slice(1))
}

/** A user's bank accounts, unlinked ones too, newest first. */
export async function listBankAccounts(
  parts: PaymentParts,
  userId: UserId,
  { start, end, limit, cursor }: PageAsk,
): Promise<Page<BankAccount>> {
  const before = cursor === null ? null : placeOf(cursor)
  const ask = { start, end, before, limit: limit + 1 }
  const rows = await readBankAccounts(parts.pool, userId, ask)
  const data = rows.slice(0, limit)
  const last = rows.length > limit ? data.at(-1) : undefined
  return { data, nextCursor: last ? placeCursor(last) : null }
}

function placeCursor({ createdAt, bankAccountId }: BankAccount): string {
  return Buffer.from(`${printTime(createdAt)} ${bankAccountId}`).toString('base64url')
}

function placeOf(cursor: string) {
  const [time = '', id = ''] = Buffer.from(cursor, 'base64url').toString('latin1').split(' ')
  const createdAt = parseTime(time)
  if (createdAt === null || !/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id)) {
    throw new AppError('cursor_invalid')
  }
  return { createdAt, bankAccountId: id as BankAccountId }
}

/**
 * "Did it happen?" When nothing is found at first, it looks again under the lock of the caller's
 * wallet, which waits for whatever is being written right now.
 *
 * @throws AppError `request_unknown`: nothing has happened under this key yet. What is still on its
 * way here may happen, so a client that goes on sends the same request under the same key.
 * `request_in_progress` when the wallet stays locked for too long to tell.
 */
export async function findRequest(
  parts: PaymentParts,
  caller: UserId,
  key: string,
): Promise<RequestOutcome> {
  const wanted = [{ caller, key: digestKey(key) }]
  const [sure] = await requests.findRequests(parts.pool, wanted)
  const found = sure ?? (await findUnderLock(parts, wanted))
  if (!found) throw new AppError('request_unknown')
  const { action, createdAt, subject } = found
  return { action, createdAt, resource: await resourceOf(parts, caller, action, subject) }
}

async function findUnderLock(
  parts: PaymentParts,
  wanted: Parameters<typeof requests.findRequests>[1],
): Promise<requests.FoundRequest | undefined> {
  try {
    return await inTransaction(
      parts.pool,
      async (tx) => {
        await waitForAccounts(
          tx,
          wanted.map(({ caller }) => walletOf(caller)),
        )
        return (await requests.findRequests(tx, wanted))[0]
      },
      { lockTimeoutMs: LOCK_TIMEOUT_MS },
    )
  } catch (error) {
    if (!isLockTimeout(error)) throw error
    throw new AppError('request_in_progress', {}, { cause: error })
  }
}

async function resourceOf(
  parts: PaymentParts,
  caller: UserId,
  action: string,
  subject: string | null,
): Promise<RequestOutcome['resource']> {
  if (subject === null) return { type: 'none' }
  if (action.startsWith('transaction.')) {
    return {
      type: 'transaction',
      value: await findTransaction(parts, caller, subject as TransactionId),
    }
  }
  if (action.startsWith('account.')) {
    const value = await findBankAccount(parts.pool, caller, subject as BankAccountId)
    if (!value) throw new Error('a request was recorded without its bank account')
    return { type: 'bankAccount', value }
  }
  return { type: 'user', value: await ownUser(parts, caller, { start: null, end: null }) }
}
