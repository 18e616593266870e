import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { BankAccountId, UserId } from '../../src/ids/ids.ts'
import { sendMicroEntries } from '../../src/payments/link-bank.ts'
import { refusedAs } from '../kit/refused.ts'
import { startWorld } from '../kit/world.ts'
import type { World } from '../kit/world.ts'

let world: World
before(async () => {
  world = await startWorld()
})
after(async () => {
  await world.end()
})

/** The sandbox bank sends each id other amounts for this one. */
const ACCOUNT_NUMBER = '4412345678'

async function link(user: UserId): Promise<BankAccountId> {
  const ask = {
    bankName: 'Sandbox Bank',
    bankPhoneNumber: null,
    bankEmail: null,
    bankAccountNumber: ACCOUNT_NUMBER,
    bankRoutingNumber: '222222226',
    accountType: 'checking',
  } as const
  const { value } = await world.payments.linkBankAccount(user, ask, null, { fresh: true })
  return value.bankAccountId
}

async function amountsOf(id: BankAccountId): Promise<readonly number[] | null | undefined> {
  const { rows } = await world.pool.query<{ amounts: number[] | null }>(
    'select micro_amounts_cents as amounts from bank_account where bank_account_id = $1',
    [id],
  )
  return rows[0]?.amounts
}

/** What the books say that a user's micro-entries cost, and how often. */
async function costOf(user: UserId): Promise<{ times: number; links: number }> {
  const { rows } = await world.pool.query<{ times: number; links: number }>(
    `select (select count(*) from request where user_id = $1 and action = 'micro_entries')::int
         as times,
       (select count(*) from bank_account where user_id = $1)::int as links`,
    [user],
  )
  return rows[0] ?? assert.fail()
}

test('linking one number again and again is sent, and costs, one pair of amounts', async () => {
  const user = await world.person()
  const ids: BankAccountId[] = []
  for (let round = 0; round < 20; round += 1) {
    const id = await link(user)
    ids.push(id)
    if (round < 19) await world.payments.unlinkBankAccount(user, id, null)
  }
  const last = ids.at(-1) ?? assert.fail()
  const [one = 0, other = 0] = await world.until(async () => await amountsOf(last))
  const [first] = ids
  assert(first)
  assert.deepEqual(await amountsOf(first), [one, other])

  await sendMicroEntries(world.parts, user, first)
  assert.deepEqual(await costOf(user), { times: 1, links: 20 })
  const ask = { id: last, amountsCents: [one, other] } as const
  const { value } = await world.payments.verifyBankAccount(user, ask, null)
  assert.equal(value.status, 'verified')

  await world.payments.unlinkBankAccount(user, last, null)
  await refusedAs('bank_account_limit', link(user))
})
