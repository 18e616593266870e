import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { openHouse } from './house.ts'
import type { Caller, House } from './house.ts'

type User = Readonly<{
  userId: string
  handle: string
  balance: number
  available: number
  bankAccounts: { bankAccountId: string; status: string }[]
  limits: object[]
}>
type Session = Readonly<{ accessToken: string; refreshToken: string; userId: string }>
type BankAccount = Readonly<{ bankAccountId: string; status: string; bankAccountNumber: string }>
type Transaction = Readonly<{ transactionId: string; status: string; amount: number; note: string }>
type Page<T> = Readonly<{ data: T[]; nextCursor: string | null }>
type Problem = Readonly<{ code: string }>
type Mailbox = Readonly<{ data: { subject: string; body: string; recipient: string }[] }>

let house: House
before(async () => {
  house = await openHouse()
})
after(async () => await house.close())

let people = 0

/** Signs up and in over HTTP; both contacts proven with the codes of the mailbox. */
async function person(): Promise<{ me: Caller; id: string; email: string; tokens: Session }> {
  people += 1
  const email = `person${people}@example.com`
  const phoneNumber = `+1415200${String(people).padStart(4, '0')}`
  const password = 'a long pass phrase of ours'
  const { stranger, world, caller } = house
  const signedUp = await stranger.ask<User>('POST', '/v1/user', { email, phoneNumber, password })
  assert.equal(signedUp.status, 201)
  const tokens = await stranger.ask<Session>('POST', '/v1/session', { login: email, password })
  assert.equal(tokens.status, 200)
  const me = caller(tokens.body.accessToken)
  const id = signedUp.body.userId
  for (const [channel, recipient] of Object.entries({ email, phone: phoneNumber })) {
    const code = await world.until(async () => {
      const to = encodeURIComponent(recipient)
      const { body } = await stranger.ask<Mailbox>('GET', `/dev/mailbox?to=${to}`)
      return /\b\d{6}\b/.exec(body.data[0]?.body ?? '')?.[0]
    })
    const proven = await me.ask('POST', `/v1/user/${id}/contacts/${channel}/verify`, { code })
    assert.equal(proven.status, 200)
  }
  return { me, id, email, tokens: tokens.body }
}

const link = {
  bankName: 'First Sandbox Bank',
  bankAccountNumber: '9500001234',
  bankRoutingNumber: '222222226',
}

async function linked(me: Caller, id: string): Promise<string> {
  const { body, status } = await me.ask<BankAccount>('POST', `/v1/user/${id}/accounts`, link)
  assert.equal(status, 201)
  assert.equal(body.bankAccountNumber, '••••1234')
  await house.world.until(async () => {
    const url = `/v1/user/${id}/accounts/${body.bankAccountId}/verify`
    const { status } = await me.ask('POST', url, { amountsCents: [22, 11] })
    return status === 200
  })
  return body.bankAccountId
}

async function settled(me: Caller, transactionId: string): Promise<Transaction> {
  return await house.world.until(async () => {
    const { body } = await me.ask<Transaction>('GET', `/v1/transaction/${transactionId}`)
    return body.status !== 'waiting_for_verification' && body
  })
}

/** Someone with money that came in from a bank. */
async function rich(amount: string) {
  const someone = await person()
  const fromId = await linked(someone.me, someone.id)
  const ask = { fromId, toId: someone.id, amount }
  const { body } = await someone.me.ask<Transaction>('POST', '/v1/transaction', ask)
  assert.equal((await settled(someone.me, body.transactionId)).status, 'accepted')
  return { ...someone, bankAccountId: fromId }
}

test('from sign-up to a payment, and both sides see it', async () => {
  const ada = await rich('100.00')
  const bob = await person()
  const ask = { fromId: ada.id, toId: bob.id, amount: 12.34, note: 'Thanks for lunch' }
  const paid = await ada.me.ask<Transaction>('POST', '/v1/transaction', ask)
  assert.equal(paid.status, 200)
  assert.equal(paid.body.status, 'accepted')
  assert.equal(paid.body.amount, 1_234)

  const [own, his] = [
    await ada.me.ask<User>('GET', `/v1/user/${ada.id}`),
    await bob.me.ask<User>('GET', `/v1/user/${bob.id}`),
  ]
  assert.deepEqual([own.body.balance, his.body.balance], [8_766, 1_234])
  assert.equal(own.body.bankAccounts[0]?.status, 'verified')

  for (const { me, id } of [ada, bob]) {
    const { body } = await me.ask<Page<Transaction>>('GET', `/v1/transactions/${id}?kind=payment`)
    assert.deepEqual(body, { data: [paid.body], nextCursor: null })
    const url = `/v1/transaction/${paid.body.transactionId}`
    assert.deepEqual((await me.ask('GET', url)).body, paid.body)
  }
  const eve = await person()
  const url = `/v1/transaction/${paid.body.transactionId}`
  assert.equal((await eve.me.ask<Problem>('GET', url)).body.code, 'transaction_unknown')
  await house.world.assertBooks()
})

test('a request under a key has one effect, and its answer can be asked for again', async () => {
  const ada = await rich('50')
  const bob = await person()
  const ask = { fromId: ada.id, toId: bob.id, amount: '5.00' }
  const key = { 'idempotency-key': '"lunch-1"' }
  const first = await ada.me.ask<Transaction>('POST', '/v1/transaction', ask, key)
  assert.equal(first.headers['idempotent-replayed'], undefined)
  const bare = { 'idempotency-key': 'lunch-1' }
  const again = await ada.me.ask<Transaction>('POST', '/v1/transaction', ask, bare)
  assert.equal(again.headers['idempotent-replayed'], 'true')
  assert.deepEqual(again.body, first.body)

  const same = { ...ask, amount: 5 }
  const other = { ...ask, amount: 6 }
  const asNumber = await ada.me.ask('POST', '/v1/transaction', same, key)
  assert.deepEqual(asNumber.body, first.body, 'the same amount in another spelling is the same')
  const reused = await ada.me.ask<Problem>('POST', '/v1/transaction', other, key)
  assert.equal(reused.body.code, 'idempotency_key_reused')

  const found = await ada.me.ask<{ transaction: object }>('GET', '/v1/request/lunch-1')
  assert.deepEqual(found.body.transaction, first.body)
  const his = await bob.me.ask<Problem>('GET', '/v1/request/lunch-1')
  assert.equal(his.body.code, 'request_unknown')
  const { body } = await ada.me.ask<User>('GET', `/v1/user/${ada.id}`)
  assert.equal(body.balance, 4_500)
})

test('of somebody else only the name is shown', async () => {
  const ada = await person()
  const bob = await person()
  const { status, body } = await ada.me.ask<User>('GET', `/v1/user/${bob.id}`)
  assert.equal(status, 200)
  assert.deepEqual(Object.keys(body).sort(), ['displayName', 'handle', 'userId'])
  const nobody = `user_${'0'.repeat(32)}`
  assert.equal((await ada.me.ask('GET', `/v1/user/${nobody}`)).status, 404)
})

test('a bank account is linked and unlinked in every way that the contract has', async () => {
  const { me, id } = await person()
  const put = async (payload: object) => await me.ask<User>('PUT', `/v1/user/${id}`, payload)
  const list = async () => {
    const { body } = await me.ask<Page<BankAccount>>('GET', `/v1/bankAccounts/${id}`)
    const asSpelled = await me.ask<Page<BankAccount>>('GET', `/v1/bankAccuonts/${id}`)
    assert.deepEqual(asSpelled.body, body)
    return body.data.filter(({ status }) => status !== 'disabled')
  }
  const first = (await put(link)).body.bankAccounts[0]?.bankAccountId
  assert.equal((await list()).length, 1)
  assert.equal((await put({ unlinkBankAccountId: first })).status, 200)
  assert.deepEqual(await list(), [])

  for (const url of [`/v1/user/${id}/accounts/`, '/v1/account/']) {
    const { body } = await me.ask<BankAccount>('POST', `/v1/user/${id}/accounts`, link)
    assert.equal((await me.ask('DELETE', url + body.bankAccountId)).status, 204)
    assert.deepEqual(await list(), [])
  }
})

test('the profile changes, and a name that is taken stays taken', async () => {
  const ada = await person()
  const bob = await person()
  const put = { handle: 'ada.l', displayName: 'Ada L.', debitCardId: 'card_1' }
  const changed = await ada.me.ask<User>('PUT', `/v1/user/${ada.id}`, put)
  assert.equal(changed.body.handle, 'ada.l')
  const taken = await bob.me.ask<Problem>('PUT', `/v1/user/${bob.id}`, { handle: 'ada.l' })
  assert.deepEqual([taken.status, taken.body.code], [409, 'contact_taken'])
})

test('a session is refreshed, and ends', async () => {
  const { me, tokens } = await person()
  const { stranger } = house
  const ask = { refreshToken: tokens.refreshToken }
  const next = await stranger.ask<Session>('POST', '/v1/session/refresh', ask)
  assert.equal(next.status, 200)
  assert.equal((await me.ask('DELETE', '/v1/session')).status, 204)
  const ended = { refreshToken: next.body.refreshToken }
  const refused = await stranger.ask<Problem>('POST', '/v1/session/refresh', ended)
  assert.equal(refused.body.code, 'refresh_token_invalid')
  const wrong = { login: 'nobody@example.com', password: 'x' }
  const unknown = await stranger.ask<Problem>('POST', '/v1/session', wrong)
  assert.equal(unknown.body.code, 'credentials_invalid')
})

test('who cannot be a party is answered 404, and who is not the payer 403', async () => {
  const ada = await rich('10')
  const bob = await person()
  const ask = async (fromId: string, toId: string) => {
    const { body } = await ada.me.ask<Problem>('POST', '/v1/transaction', {
      fromId,
      toId,
      amount: 1,
    })
    return body.code
  }
  const nobody = `user_${'0'.repeat(32)}`
  assert.equal(await ask(ada.id, nobody), 'user_unknown')
  assert.equal(await ask(ada.id, 'bank_x'), 'bank_account_unknown')
  assert.equal(await ask(bob.id, ada.id), 'not_yours')
  assert.equal(await ask(ada.id, ada.id), 'parties_equal')
  await house.world.assertBooks()
})

test('a page never shifts or repeats a row', async () => {
  const ada = await rich('10')
  const bob = await person()
  for (let cents = 1; cents <= 7; cents += 1) {
    const ask = { fromId: ada.id, toId: bob.id, amount: `0.0${cents}` }
    await ada.me.ask('POST', '/v1/transaction', ask)
  }
  const seen: number[] = []
  let cursor = ''
  do {
    const url = `/v1/transactions/${bob.id}?limit=2${cursor}`
    const { body } = await bob.me.ask<Page<Transaction>>('GET', url)
    seen.push(...body.data.map(({ amount }) => amount))
    cursor = body.nextCursor === null ? '' : `&cursor=${encodeURIComponent(body.nextCursor)}`
  } while (cursor !== '')
  assert.deepEqual(seen, [7, 6, 5, 4, 3, 2, 1])
  const forged = await bob.me.ask<Problem>('GET', `/v1/transactions/${bob.id}?cursor=abc`)
  assert.equal(forged.body.code, 'cursor_invalid')
})
