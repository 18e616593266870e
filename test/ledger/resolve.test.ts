import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { connectLedger } from '../../src/db/pool.ts'
import type { LedgerConnection } from '../../src/db/pool.ts'
import { somethingToCommit } from '../../src/db/standby/incarnation.ts'
import type { AccountId, Entry } from '../../src/ledger/account.ts'
import { ownConnection } from '../../src/ledger/connection.ts'
import { findOut } from '../../src/ledger/resolve.ts'
import { newId } from '../../src/ids/ids.ts'
import { openBooks, payment, quiet } from './books.ts'
import type { Books } from './books.ts'

let books: Books
let accounts: readonly AccountId[]
let mark: Entry
before(async () => {
  books = await openBooks()
  accounts = await books.accounts(2, 10n)
  const [from, to] = accounts as [AccountId, AccountId]
  const ride = payment(from, to, 1n)
  await books.ledger({ passengers: quiet }).post(ride)
  const { rows } = await books.pool.query<{ version: bigint }>(
    'select version from entry where account_id = $1 and transaction_id = $2',
    [from, ride.movement.transaction],
  )
  const [{ version } = { version: 0n }] = rows
  mark = { account: from, version, transaction: ride.movement.transaction } as Entry
})
after(async () => await books.close())

/** What is asked, and what comes of it, on a connection that may warn at the end. */
async function ask(entry: Entry, warns: boolean) {
  const asked: unknown[] = []
  const warnings = (): number => (warns && asked.at(-1) === 'commit' ? 1 : 0)
  const connect = async (): Promise<LedgerConnection> => {
    const one = await connectLedger({
      url: books.url,
      statementTimeoutMs: 4_000,
      lockTimeoutMs: 3_000,
      applicationName: 'farthing test',
    })
    const query: LedgerConnection['query'] = async (statement, values) => {
      asked.push(statement)
      return await one.query(statement, values)
    }
    return { ...one, query, warnings }
  }
  const own = ownConnection(connect)
  const stands = await findOut(own, accounts, entry)
  await own.close()
  return { stands, last: asked.slice(-2) }
}

test('what stands is answered for once a commit of this session has waited for the standby', async () => {
  const { stands, last } = await ask(mark, false)
  assert.equal(stands, true)
  assert.deepEqual(last, [somethingToCommit, 'commit'])
  const before = { ...mark, transaction: newId('txn') }
  assert.equal((await ask(before, false)).stands, false)
})

test('when the wait for the standby is cut short, nobody knows', async () => {
  assert.equal((await ask(mark, true)).stands, null)
})
