import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { may } from '../../src/access/policy.ts'
import type { Action } from '../../src/access/policy.ts'
import { createServer } from '../../src/http/server.ts'
import { newId, printId } from '../../src/ids/ids.ts'
import { PASSED, openDoor } from './door.ts'
import type { Door } from './door.ts'

type Code = Readonly<{ code: string }>
type Walked = Readonly<{ method: 'GET' | 'POST' | 'PUT' | 'DELETE'; url: string; action: Action }>

/** Every route of the contract that is not open to anyone, with its action in the policy. */
const owned: readonly Walked[] = [
  { method: 'GET', url: '/v1/user/OWNER', action: 'user.glance' },
  { method: 'PUT', url: '/v1/user/OWNER', action: 'user.change' },
  { method: 'POST', url: '/v1/user/OWNER/contacts/email/code', action: 'contact.send' },
  { method: 'POST', url: '/v1/user/OWNER/contacts/phone/verify', action: 'contact.confirm' },
  { method: 'POST', url: '/v1/user/OWNER/accounts', action: 'account.link' },
  { method: 'POST', url: '/v1/user/OWNER/accounts/BANK/verify', action: 'account.verify' },
  { method: 'DELETE', url: '/v1/user/OWNER/accounts/BANK', action: 'account.unlink' },
  { method: 'GET', url: '/v1/bankAccounts/OWNER', action: 'account.list' },
  { method: 'GET', url: '/v1/bankAccuonts/OWNER', action: 'account.list' },
  { method: 'GET', url: '/v1/transactions/OWNER', action: 'transaction.list' },
]
const callers: readonly Walked[] = [
  { method: 'DELETE', url: '/v1/session', action: 'session.end' },
  { method: 'POST', url: '/v1/session/step-up', action: 'session.step-up' },
  { method: 'DELETE', url: '/v1/account/BANK', action: 'account.unlink' },
  { method: 'POST', url: '/v1/transaction', action: 'transaction.create' },
  { method: 'POST', url: '/v1/transaction/TXN/verify', action: 'transaction.confirm' },
  { method: 'GET', url: '/v1/transaction/TXN', action: 'transaction.read' },
  { method: 'GET', url: '/v1/request/key', action: 'request.read' },
]

const user = printId('user', newId('user'))
const bank = printId('bank', newId('bank'))
const transaction = printId('txn', newId('txn'))

/** A body that passes each route's schema. */
function bodyOf({ url, method }: Walked): object | undefined {
  if (url.endsWith('/contacts/phone/verify') || url.endsWith('TXN/verify'))
    return { code: '123456' }
  if (url.endsWith('step-up')) return { password: 'x' }
  if (url.endsWith('BANK/verify')) return { amountsCents: [11, 22] }
  if (url === '/v1/transaction') return { fromId: user, toId: user, amount: 1 }
  if (method === 'PUT') return { unlinkBankAccountId: bank }
  if (!url.endsWith('/accounts')) return undefined
  return { bankName: 'B', bankAccountNumber: '9500001234', bankRoutingNumber: '222222226' }
}

let door: Door
before(async () => {
  door = await openDoor({ rateLimits: false })
})
after(async () => await door.app.close())

test('the walk passes every route that is not open to anyone', async () => {
  const { paths } = (await door.app.inject('/openapi.json')).json<{
    paths: Record<string, Record<string, { security: object[] }>>
  }>()
  const closed = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods)
      .filter(([, { security }]) => security.length > 0)
      .map(([method]) => `${method} ${path.replace(/\{(\w+)\}/g, '*')}`.toLowerCase()),
  )
  const walked = [...owned, ...callers].map(({ method, url }) =>
    `${method} ${url.replace(/OWNER|BANK|TXN|key$|(?<=contacts\/)\w+/g, '*')}`.toLowerCase(),
  )
  assert.deepEqual([...new Set(walked)].sort(), closed.sort())
})

async function ask(walked: Walked, owner: string, authorization?: string) {
  const url = walked.url.replace('OWNER', owner).replace('BANK', bank).replace('TXN', transaction)
  const payload = bodyOf(walked)
  const answer = await door.app.inject({
    method: walked.method,
    url,
    headers: { ...(authorization && { authorization }) },
    ...(payload && { payload }),
  })
  return answer.json<Code>().code
}

test('whoever is signed in gets through to what is their own, on every route', async () => {
  for (const walked of [...owned, ...callers]) {
    assert.ok(may('self', walked.action), walked.action)
    assert.equal(await ask(walked, door.me.id, door.me.authorization), PASSED, walked.url)
  }
})

test('nobody gets through unknown, on any route', async () => {
  for (const walked of [...owned, ...callers]) {
    assert.equal(may('anyone', walked.action), false, walked.action)
    assert.equal(await ask(walked, door.me.id), 'unauthenticated', walked.url)
    assert.equal(await ask(walked, 'x'), 'unauthenticated', walked.url)
    assert.equal(await ask(walked, door.me.id, 'Bearer x'), 'token_invalid', walked.url)
    assert.equal(await ask(walked, door.me.id, 'Basic YTpi'), 'token_invalid', walked.url)
  }
})

test("another user's id gets exactly what the policy grants a stranger", async () => {
  for (const walked of owned) {
    const expected = may('stranger', walked.action) ? PASSED : 'not_yours'
    assert.equal(await ask(walked, user, door.me.authorization), expected, walked.url)
  }
})

test('an id that is none is answered like one that names nobody', async () => {
  for (const walked of owned) {
    for (const id of ['x', bank, user.toUpperCase(), `${user}0`, '%00', '..%2f..']) {
      const code = await ask(walked, id, door.me.authorization)
      assert.equal(code, 'user_unknown', `${walked.url} ${id}`)
    }
  }
})

test('what is open to anyone does not look at tokens, so an expired one harms nobody', async () => {
  const bodies = {
    '/v1/user': { email: 'a@b.example', phoneNumber: '+12025550123', password: 'long enough' },
    '/v1/session': { login: 'a@b.example', password: 'x' },
    '/v1/session/refresh': { refreshToken: 'x' },
  }
  for (const [url, payload] of Object.entries(bodies)) {
    const headers = { authorization: 'Bearer expired' }
    const answer = await door.app.inject({ method: 'POST', url, headers, payload })
    assert.equal(answer.json<Code>().code, PASSED, url)
  }
})

test('a route that names no action does not start', async () => {
  const { app } = await openDoor()
  await app.close()
  assert.throws(() => {
    const bare: ReturnType<typeof createServer> = createServer({
      ...({} as Parameters<typeof createServer>[0]),
      log: app.log,
      readMailbox: null,
    })
    bare.get('/v1/secret', () => 'x')
  }, /names no action/)
})
