import { chart } from '../../src/ledger/chart.ts'
import { books } from './audited.ts'
import type { Tamperings } from './audited.ts'

const ofTransaction = (name: string) => `transaction ${books.made(name)}`
const wallet = `account ${books.alice}`
const where = (name: string) => `where transaction_id = '${books.made(name)}'`
const oneEntry = (name: string) => `${where(name)} and account_id = '${books.bob}'`
/** 1 and 2 are the payments, 3 the payment by bank. */
const entryOfBob = (version: number) => `entry ${books.bob} version ${version}`

/** One row changed here and there in what the ledger keeps. */
export const tamperedAccounts: Tamperings = {
  '01-transactions-sum-to-zero': [
    {
      what: 'an entry of a cent more',
      sql: `update entry set amount = amount + 1 ${oneEntry('paid')}`,
      row: ofTransaction('paid'),
    },
  ],
  '02-balances-sum-to-zero': [
    {
      what: 'a balance of a cent more',
      sql: `update account set balance = balance + 1 where account_id = '${books.alice}'`,
      row: 'all accounts',
    },
  ],
  '03-floors-hold-at-every-version': [
    {
      what: 'an entry that holds more than is there',
      sql: `update entry set held = balance + 1 ${oneEntry('paid again')}`,
      row: entryOfBob(2),
    },
    {
      what: 'an entry below zero',
      sql: `update entry set balance = -1 ${oneEntry('paid')}`,
      row: entryOfBob(1),
    },
  ],
  '04-chains-are-gapless': [
    {
      what: 'an entry that was deleted out of the middle',
      sql: `delete from entry ${oneEntry('paid again')}`,
      row: entryOfBob(3),
    },
    {
      what: 'an entry that was deleted at the start',
      sql: `delete from entry ${oneEntry('paid')}`,
      row: entryOfBob(2),
    },
    {
      what: 'a balance that is not the one before plus the amount',
      sql: `update entry set balance = balance + 1 ${oneEntry('paid again')}`,
      row: entryOfBob(2),
    },
    {
      what: 'a time that stands still',
      sql: `update entry set at = (select at from entry ${oneEntry('paid')})
            ${oneEntry('paid again')}`,
      row: entryOfBob(2),
    },
    {
      what: 'a total that falls',
      sql: `update entry set sent = sent + 1 ${oneEntry('paid again')}`,
      row: entryOfBob(3),
    },
    {
      what: 'a hold of less than nothing',
      sql: `update entry set held = -1 ${oneEntry('paid again')}`,
      row: entryOfBob(2),
    },
  ],
  '05-accounts-equal-their-chains': [
    {
      what: 'the last entry deleted',
      sql: `delete from entry where account_id = '${books.bob}' and version = 3`,
      row: `account ${books.bob}`,
    },
    {
      what: 'an account deleted',
      sql: `delete from account where account_id = '${books.alice}'`,
      row: wallet,
    },
    ...['version', 'balance', 'sent', 'withdrawn'].map((column) => ({
      what: `another ${column}`,
      sql: `update account set ${column} = ${column} + 1 where account_id = '${books.alice}'`,
      row: wallet,
    })),
    {
      what: 'another time',
      sql: `update account set at = at + interval '1 us' where account_id = '${books.alice}'`,
      row: wallet,
    },
  ],
  '06-entries-are-append-only': [
    {
      what: 'the trigger switched off',
      sql: 'alter table entry disable trigger entry_append_only',
      row: 'table entry',
    },
    {
      what: 'the trigger for replicas only',
      sql: 'alter table entry enable replica trigger entry_append_only',
      row: 'table entry',
    },
  ],
  '09-what-waits-is-held': ['held', 'sending', 'withdrawing', 'sent', 'withdrawn'].map(
    (column) => ({
      what: `another ${column}`,
      sql: `update account set ${column} = ${column} + 1 where account_id = '${books.alice}'`,
      row: wallet,
    }),
  ),
  '10-in-transit-is-on-its-way': [
    ...([chart.inTransitIn, chart.inTransitOut] as const).map(({ id }) => ({
      what: `another balance of ${id.slice(-2)}`,
      sql: `update account set balance = balance + 1 where account_id = '${id}'`,
      row: `account ${id}`,
    })),
    {
      what: 'money on its way called arrived',
      sql: `update transaction set status = 1 ${where('adding')}`,
      row: `account ${chart.inTransitIn.id}`,
    },
  ],
  '11-users-have-wallets': [
    {
      what: 'a wallet deleted',
      sql: `delete from account where account_id = '${books.alice}'`,
      row: `user ${books.alice}`,
    },
    {
      what: 'a wallet that may owe',
      sql: `update account set floor = 'none' where account_id = '${books.alice}'`,
      row: `user ${books.alice}`,
    },
    {
      what: 'an account of nobody',
      sql: `insert into account (account_id, floor, at)
            values ('00000000-0000-7000-8000-000000000099', 'none', now())`,
      row: 'account 00000000-0000-7000-8000-000000000099',
    },
    {
      what: 'an account of the chart with another floor',
      sql: `update account set floor = 'none' where account_id = '${chart.inTransitIn.id}'`,
      row: `account ${chart.inTransitIn.id}`,
    },
  ],
}
