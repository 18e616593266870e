import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { parseId } from '../../src/ids/ids.ts'
import { money } from '../../src/money.ts'
import { openApp } from './kit/app.ts'
import { openProvider } from './kit/provider.ts'
import type { Customer, OpenProvider } from './kit/provider.ts'
import { openVisitor } from './kit/visitor.ts'

let provider: OpenProvider
let ada: Customer
before(async () => {
  provider = await openProvider()
  ada = await provider.customer()
})
after(async () => await provider.close())

const place = { network: '10.0.0.1', device: null }

async function knock(headers: Record<string, string>, path = '/back/sign-in', method = 'POST') {
  const ask = { login: ada.email, password: ada.password, code: null }
  const answer = await fetch(`${provider.issuer}${path}`, {
    method,
    headers: { 'content-type': 'application/json', ...headers },
    ...(method === 'POST' && { body: JSON.stringify({ ask, place }) }),
  })
  const body = (await answer.json()) as { code?: string; accessToken?: string }
  return { status: answer.status, headers: answer.headers, body }
}

test('the back door opens for its secret', async () => {
  const { status, body } = await knock({ authorization: `Bearer ${provider.backSecret}` })
  assert.equal(status, 200)
  assert(body.accessToken)
})

test('without its secret there is no back door, whatever is behind it', async () => {
  const wrong: Record<string, string>[] = [
    {},
    { authorization: 'Bearer ' },
    { authorization: `Bearer ${provider.backSecret}x` },
    { authorization: `Bearer ${provider.backSecret.slice(0, -1)}` },
    { authorization: `Basic ${provider.backSecret}` },
    { authorization: provider.backSecret },
  ]
  for (const headers of wrong) {
    const { status, body } = await knock(headers)
    assert.equal(status, 404, JSON.stringify(headers))
    assert.equal(body.code, 'route_unknown')
    assert.equal(body.accessToken, undefined)
  }
  assert.equal((await knock({}, '/back/nothing')).status, 404)
})

test('no page of another origin may ask at the back door', async () => {
  const authorization = `Bearer ${provider.backSecret}`
  const asked = await knock({ authorization, origin: 'https://evil.example' })
  assert.equal(asked.headers.get('access-control-allow-origin'), null)
  const preflight = await knock({ origin: 'https://evil.example' }, '/back/sign-in', 'OPTIONS')
  assert(preflight.status >= 400)
  assert.equal(preflight.headers.get('access-control-allow-origin'), null)
})

test('what it cannot read is refused, and not repeated', async () => {
  const answer = await fetch(`${provider.issuer}/back/sign-in`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${provider.backSecret}`,
      'content-type': 'application/json',
    },
    body: JSON.stringify({ ask: { login: ada.email, password: 7, code: null }, place }),
  })
  assert.equal(answer.status, 400)
  assert.doesNotMatch(await answer.text(), new RegExp(ada.email))
})

test('what is asked over it is written down as what it is, with where from', async () => {
  const { world, stranger, caller } = provider.house
  const { id, email: login, password } = await provider.customer()
  const signIn = { login, password }
  const { body } = await stranger.ask<{ accessToken: string }>('POST', '/v1/session', signIn)
  const device = { 'user-agent': 'a test' }
  const person = caller(body.accessToken)
  await person.ask('POST', '/v1/session/step-up', { password: 'guessed' }, device)
  await person.ask('POST', '/v1/session/step-up', { code: '000000' }, device)
  await person.ask('POST', '/v1/session/step-up', { password }, device)
  assert.equal((await person.ask('DELETE', '/v1/session', undefined, device)).status, 204)
  const { rows } = await world.pool.query<{ line: string }>(
    `select concat_ws(' ', kind, outcome, facts ->> 'why', network, device) as line
     from auth_event where user_id = $1 order by event_id offset 2`,
    [parseId('user', id)],
  )
  assert.deepEqual(
    rows.map(({ line }) => line),
    [
      'step_up refused wrong 127.0.0.1 a test',
      'step_up refused code 127.0.0.1 a test',
      'step_up done 127.0.0.1 a test',
      'sign_out done 127.0.0.1 a test',
    ],
  )
})

/** Money that came in from a bank, so that there is something to pay with. */
async function enrich({ id }: Customer, cents: bigint): Promise<void> {
  const { world } = provider.house
  const user = parseId('user', id)
  assert(user)
  const from = await world.bank(user)
  const ask = {
    from: { kind: 'bank', id: from },
    to: { kind: 'user', id: user },
    amount: money(cents),
    note: null,
    transactionDate: null,
  } as const
  const { value } = await world.payments.moveMoney(user, ask, null, { fresh: true })
  await world.until(async () => {
    const { status } = await world.payments.findTransaction(user, value.transactionId)
    return status === 'accepted'
  })
}

test('while the auth layer is away, who is signed in goes on paying', async () => {
  const bob = await provider.customer()
  await enrich(ada, 10_000n)
  const web = await openApp(provider)
  const tokens = await web.signIn(openVisitor(provider.issuer), ada)
  const { stranger, caller } = provider.house

  await provider.stop()
  const signIn = { login: ada.email, password: ada.password }
  const asked: readonly (readonly [string, object])[] = [
    ['/v1/session', signIn],
    ['/v1/session/refresh', { refreshToken: 'r'.repeat(60) }],
    ['/v1/user', { ...signIn, email: 'late@example.com', phoneNumber: '+14155550199' }],
  ]
  for (const [path, body] of asked) {
    const { login: _, ...rest } = body as typeof signIn
    const ask = path === '/v1/user' ? rest : body
    const answer = await stranger.ask<{ code: string }>('POST', path, ask)
    assert.equal(answer.status, 503, path)
    assert.equal(answer.body.code, 'auth_unavailable')
    assert.match(String(answer.headers['retry-after']), /^[1-9]\d*$/)
  }
  const paid = await caller(tokens.access_token).ask('POST', '/v1/transaction', {
    fromId: ada.id,
    toId: bob.id,
    amount: 12.34,
  })
  assert.equal(paid.status, 200, JSON.stringify(paid.body))

  await provider.start()
  assert.equal((await stranger.ask('POST', '/v1/session', signIn)).status, 200)
})
