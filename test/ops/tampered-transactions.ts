import { books } from './audited.ts'
import type { Tamperings } from './audited.ts'

const ofTransaction = (name: string) => `transaction ${books.made(name)}`
const where = (name: string) => `where transaction_id = '${books.made(name)}'`
const oneEntry = (name: string) => `${where(name)} and account_id = '${books.bob}'`
const microEntries = 'where kind = 5'
const ofBank = `where bank_account_id = '${books.bank}'`
/** 1 and 2 are the payments, 3 the payment by bank. */
const entryOfBob = (version: number) => `entry ${books.bob} version ${version}`

/** One row changed here and there, so that the books and what people see differ. */
export const tamperedTransactions: Tamperings = {
  '07-transactions-equal-their-entries': [
    {
      what: 'another amount',
      sql: `update transaction set amount = amount + 1 ${where('paid')}`,
      row: ofTransaction('paid'),
    },
    ...['declined', 'held', 'adding', 'paying by bank'].map((name) => ({
      what: `${name}, and called accepted`,
      sql: `update transaction set status = 1, decline_reason = null ${where(name)}`,
      row: ofTransaction(name),
    })),
    ...['added', 'paid', 'cashed out', 'paid by bank'].map((name) => ({
      what: `${name}, and called declined`,
      sql: `update transaction set status = 2, decline_reason = 'limit_send' ${where(name)}`,
      row: ofTransaction(name),
    })),
    {
      what: 'another payee',
      sql: `update transaction set payee_id = gen_random_uuid() ${where('paid')}`,
      row: ofTransaction('paid'),
    },
    {
      what: 'an entry against another account',
      sql: `update entry set other_id = '${books.carol}' ${oneEntry('paid')}`,
      row: ofTransaction('paid'),
    },
    {
      what: 'what came back from the bank, and called a limit',
      sql: `update transaction set decline_reason = 'limit_send' ${where('returned by bank')}`,
      row: ofTransaction('returned by bank'),
    },
  ],
  '08-entries-have-their-transaction': [
    {
      what: 'a transaction deleted',
      sql: `delete from transaction ${where('paid')}`,
      row: entryOfBob(1),
    },
    {
      what: 'another kind',
      sql: `update entry set kind = 4 ${oneEntry('paid')}`,
      row: entryOfBob(1),
    },
    {
      what: 'another note',
      sql: `update entry set note = 'for nothing' ${oneEntry('paid')}`,
      row: entryOfBob(1),
    },
    {
      what: 'a note where the money left',
      sql: `update entry set note = 'for paid'
            ${where('paid')} and account_id = '${books.alice}'`,
      row: `entry ${books.alice} version `,
    },
  ],
  '12-requests-have-their-transaction': [
    {
      what: 'a request that names nothing',
      sql: `update request set subject_id = null where subject_id = '${books.made('paid')}'`,
      row: `request of user ${books.alice} for no transaction`,
    },
    {
      what: 'a request of somebody else',
      sql: `update request set user_id = '${books.bob}'
            where subject_id = '${books.made('paid')}'`,
      row: `request of user ${books.bob} for ${ofTransaction('paid')}`,
    },
    {
      what: 'two requests for one transaction',
      sql: `update request set subject_id = '${books.made('paid')}'
            where subject_id = '${books.made('paid again')}'`,
      row: `request of user ${books.alice} for ${ofTransaction('paid')}`,
    },
  ],
  '13-micro-entries-are-costs-of-ours': [
    {
      what: 'one that touches a wallet',
      sql: `update entry set account_id = '${books.bob}', version = version + 99
            ${microEntries} and amount > 0`,
      row: 'transaction ',
    },
    {
      what: 'one that a history would show',
      sql: `update entry set opens = true ${microEntries}`,
      row: 'transaction ',
    },
  ],
  '14-micro-entries-are-what-banks-were-sent': [
    {
      what: 'a bank account that keeps what was not booked',
      sql: `update bank_account set micro_amounts_cents = '{98,99}' ${ofBank}`,
      row: 'micro-entries of 197 cents',
    },
    {
      what: 'a bank account that keeps what no link of its number was sent',
      sql: `update bank_account set micro_entries_of = gen_random_uuid() ${ofBank}`,
      row: `bank account ${books.bank}`,
    },
    {
      what: 'bank accounts that say of each other that they were sent it',
      sql: `update bank_account b set micro_entries_of = o.bank_account_id
            from bank_account o where o.bank_account_id <> b.bank_account_id`,
      row: `bank account ${books.bank}`,
    },
    {
      what: 'a bank account that keeps what was not asked for',
      sql: `delete from request where action = 'micro_entries'`,
      row: `bank account ${books.bank}`,
    },
    {
      what: 'a request for no bank account',
      sql: `insert into request
            values ('${books.bob}', gen_random_uuid(), gen_random_uuid(), 'micro_entries', null,
                      now())`,
      row: `request of user ${books.bob} for micro-entries`,
    },
    {
      what: 'a later link that keeps other amounts than the first',
      sql: `update bank_account
            set micro_entries_of = '${books.bank}', micro_amounts_cents = '{1,2}'
            where bank_account_id <> '${books.bank}'`,
      row: 'bank account ',
    },
  ],
  '15-histories-show-what-happened-once': [
    {
      what: 'an entry that the history would not show',
      sql: `update entry set opens = false ${oneEntry('paid')}`,
      row: ofTransaction('paid'),
    },
    {
      what: 'a transaction that is shown twice',
      sql: `update entry set opens = true ${where('added')} and account_id = '${books.alice}'`,
      row: ofTransaction('added'),
    },
    {
      what: 'a transaction that is shown where it ended',
      sql: `update entry set opens = not opens
            ${where('added')} and account_id = '${books.alice}'`,
      row: ofTransaction('added'),
    },
    {
      what: 'a transaction that was made up',
      sql: `insert into transaction
            select gen_random_uuid(), payer_id, payee_id, bank_account_id, kind, amount, status,
                     decline_reason, note, created_at, posted_at, until
            from transaction ${where('declined')}`,
      row: 'transaction ',
    },
    {
      what: 'a second payer of a transaction',
      sql: `insert into transaction
            select transaction_id, payee_id, payer_id, bank_account_id, kind, amount, 2,
                     'limit_send', note, created_at, posted_at, until
            from transaction ${where('paid')}`,
      row: ofTransaction('paid'),
    },
    ...['created_at', 'posted_at'].map((column) => ({
      what: `another ${column}`,
      sql: `update transaction set ${column} = ${column} - interval '1 day'
            ${where('cashing out')}`,
      row: ofTransaction('cashing out'),
    })),
  ],
  '16-transactions-are-possible': [
    {
      what: 'a transaction of micro-entries',
      sql: `update transaction set kind = 5 ${where('declined')}`,
      row: ofTransaction('declined'),
    },
    {
      what: 'a payment on its way to nobody',
      sql: `update transaction set payee_id = gen_random_uuid() ${where('paying by bank')}`,
      row: ofTransaction('paying by bank'),
    },
    {
      what: 'a payment between wallets that waits for the bank',
      sql: `update transaction set status = 4 ${where('held')}`,
      row: ofTransaction('held'),
    },
    {
      what: 'a payee of money from the own bank',
      sql: `update transaction set payee_id = '${books.bob}' ${where('cashed out')}`,
      row: ofTransaction('cashed out'),
    },
    {
      what: 'a payment between wallets that the bank sent back',
      sql: `update transaction set decline_reason = 'bank_returned_R01' ${where('declined')}`,
      row: ofTransaction('declined'),
    },
    ...['null', 'gen_random_uuid()'].map((bank) => ({
      what: `${bank} for a bank account`,
      sql: `update transaction set bank_account_id = ${bank} ${where('cashed out')}`,
      row: ofTransaction('cashed out'),
    })),
    {
      what: 'a bank account of somebody else',
      sql: `update bank_account set user_id = '${books.bob}' ${ofBank}`,
      row: 'transaction ',
    },
  ],
}
