import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { after, before, test } from 'node:test'
import type { HttpParts } from '../../src/http/parts.ts'
import { MINUTE } from '../../src/time.ts'
import { PASSED, failing, openDoor } from './door.ts'
import type { Door } from './door.ts'

type Problem = Readonly<{
  code: string
  status: number
  detail: string
  requestId: string
  errors?: { pointer: string; detail: string; in?: string }[]
}>

let door: Door
before(async () => {
  door = await openDoor()
  await door.app.listen({ host: '127.0.0.1', port: 0 })
})
after(async () => await door.app.close())

/** Sends bytes as they are, and reads until the other side has closed. */
async function raw(text: string | Buffer): Promise<string> {
  const { port } = door.app.server.address() as AddressInfo
  const socket = connect(port, '127.0.0.1')
  const chunks: Buffer[] = []
  socket.on('data', (chunk) => chunks.push(chunk))
  socket.write(text)
  await once(socket, 'close')
  return Buffer.concat(chunks).toString()
}

async function move(payload: string | Buffer, type = 'application/json'): Promise<Problem> {
  const answer = await door.app.inject({
    method: 'POST',
    url: '/v1/transaction',
    headers: { authorization: door.me.authorization, 'content-type': type },
    payload,
  })
  return answer.json<Problem>()
}

const fine = () => ({ fromId: door.me.id, toId: door.me.id, amount: 1 })

test('bytes that are no HTTP, and headers without end, are answered by a problem', async () => {
  const post = 'POST /v1/session HTTP/1.1\r\nHost: x\r\n'
  const heads = {
    'NONSENSE\r\n\r\n': 400,
    [`GET / HTTP/1.1\r\nHost: x\r\nX: ${'a'.repeat(20_000)}\r\n\r\n`]: 431,
    'GET / HTTP/1.1\r\nConnection: close\r\n\r\n': 400,
    'GET /%zz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n': 400,
    [`${post}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n`]: 400,
    [`${post}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n`]: 400,
  }
  for (const [text, status] of Object.entries(heads)) {
    const [head = '', body = ''] = (await raw(text)).split('\r\n\r\n')
    assert.match(head, new RegExp(`^HTTP/1.1 ${status} `), text.slice(0, 60))
    assert.match(head, /^content-type: application\/problem\+json/im)
    assert.match(head, /^ratelimit: "reads";r=\d+;t=\d+$/im)
    assert.match(head, /^request-id: [\w-]{36}$/im)
    assert.equal((JSON.parse(body) as Problem).status, status)
  }
})

test('the refusal of nonsense is never taken for the answer to the request before it', async () => {
  const body = JSON.stringify(fine())
  const { authorization } = door.me
  const answer = await raw(
    `POST /v1/transaction HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\n` +
      `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}` +
      `NONSENSE\r\n\r\n`,
  )
  assert.doesNotMatch(answer, /^HTTP\/1.1 400/)
})

test('a path that no route has is 404, and a method that a path lacks is 405', async () => {
  const missing = await door.app.inject('/v1/nothing')
  assert.equal(missing.json<Problem>().code, 'route_unknown')
  const patch = await door.app.inject({ method: 'PATCH', url: `/v1/user/${door.me.id}` })
  assert.equal(patch.statusCode, 405)
  assert.equal(patch.headers['allow'], 'GET, HEAD, PUT')
  assert.equal((await door.app.inject({ method: 'DELETE', url: '/v1/user/' })).statusCode, 404)
})

test('every answer carries its request id, and the RateLimit headers', async () => {
  const urls = [
    '/',
    '/healthz',
    '/nothing',
    '/v1/user/x',
    '/docs/',
    '/openapi.json',
    '/v1/request/a',
  ]
  for (const url of urls) {
    const { headers, body } = await door.app.inject({ url, headers: { 'request-id': 'my.id-1_x' } })
    assert.equal(headers['request-id'], 'my.id-1_x', url)
    assert.equal(headers['x-content-type-options'], 'nosniff')
    assert.equal(headers['cache-control'], 'no-store')
    assert.match(String(headers['ratelimit']), /^"[\w-]+";r=\d+;t=\d+$/)
    assert.match(String(headers['ratelimit-policy']), /^"[\w-]+";q=\d+;w=\d+$/)
    if (String(headers['content-type']).includes('problem')) {
      assert.equal((JSON.parse(body) as Problem).requestId, 'my.id-1_x')
    }
  }
  for (const id of ['', 'a b', 'x'.repeat(129), 'é', '<script>']) {
    const { headers } = await door.app.inject({ url: '/healthz', headers: { 'request-id': id } })
    assert.match(String(headers['request-id']), /^[0-9a-f-]{36}$/, id)
  }
})

test('only JSON in UTF-8 is read, and not too much of it', async () => {
  const text = JSON.stringify(fine())
  assert.equal((await move(text)).code, PASSED)
  assert.equal((await move(text, 'application/json; charset=UTF-8')).code, PASSED)
  assert.equal((await move(text, 'application/json;charset="utf-8"')).code, PASSED)
  for (const type of ['text/plain', 'application/json; charset=latin1', 'application/jsonx', 'x']) {
    assert.equal((await move(text, type)).code, 'media_type_unsupported', type)
  }
  assert.equal((await move('')).code, 'request_invalid')
  assert.equal((await move('{')).code, 'json_invalid')
  assert.equal((await move(Buffer.from([0x22, 0xff, 0x22]))).code, 'json_invalid')
  assert.equal((await move(`"${'x'.repeat(16 * 1024)}"`)).code, 'body_too_large')
})

test('each wrong member is pointed at', async () => {
  const problem = await move(JSON.stringify({ fromId: 5, amount: null, 'a/b~': 1, note: '' }))
  assert.equal(problem.code, 'request_invalid')
  const pointers = problem.errors?.map(({ pointer }) => pointer).sort()
  assert.deepEqual(pointers, ['/amount', '/a~1b~0', '/fromId', '/note', '/note', '/toId'])
})

test('a thousand wrong members are not a thousand lines', async () => {
  const members = Array.from({ length: 1_000 }, (_, index) => [`m${index}`, 1])
  const { errors } = await move(JSON.stringify(Object.fromEntries(members)))
  assert.equal(errors?.length, 20)
})

test('an amount is read exactly, or refused', async () => {
  for (const amount of ['12.34', '"12.34"', '99999999.99', '1e2', '0.01', '1.10']) {
    const text = `{"fromId":"${door.me.id}","toId":"${door.me.id}","amount":${amount}}`
    assert.equal((await move(text)).code, PASSED, amount)
  }
  const wrong = ['0', '-1', '0.001', '1e-7', '100000000', '"NaN"', '""', '"1,00"', '1e999', '"٣"']
  for (const amount of wrong) {
    const text = `{"fromId":"${door.me.id}","toId":"${door.me.id}","amount":${amount}}`
    assert.equal((await move(text)).code, 'amount_invalid', amount)
  }
})

test('query parameters are known, given once, and what they must be', async () => {
  const headers = { authorization: door.me.authorization }
  const list = async (query: string): Promise<Problem> => {
    const url = `/v1/transactions/${door.me.id}?${query}`
    const answer = await door.app.inject({ url, headers })
    return answer.json<Problem>()
  }
  const right = ['', 'limit=1', 'limit=100', 'startTime=2026-01-01T00:00:00Z', 'kind=payment']
  for (const query of right) assert.equal((await list(query)).code, PASSED, query)
  const wrong = ['limit=0', 'limit=101', 'limit=1e1', 'limit=1&limit=1', 'limit=', 'kind=x', 'x=1']
  wrong.push(
    'startTime=2026-02-30T00:00:00Z',
    'startTime=2026',
    'cursor=%00',
    'kind=payment&kind=x',
  )
  wrong.push('startTime=2026-01-02T00:00:00Z&endTime=2026-01-01T00:00:00Z', '__proto__=1')
  for (const query of wrong) assert.equal((await list(query)).code, 'request_invalid', query)
  const { errors } = await list('limit=0&x=1')
  assert.deepEqual(errors?.map(({ pointer, in: part }) => `${part} ${pointer}`).sort(), [
    'query /limit',
    'query /x',
  ])
})

async function put(payload: object): Promise<string> {
  const headers = { authorization: door.me.authorization }
  const answer = await door.app.inject({
    method: 'PUT',
    url: `/v1/user/${door.me.id}`,
    headers,
    payload,
  })
  return answer.json<Problem>().code
}

test('the three forms of a change are told apart', async () => {
  const link = { bankName: 'B', bankAccountNumber: '9500001234', bankRoutingNumber: '222222226' }
  const bank = `bank_${'0'.repeat(32)}`
  assert.equal(await put({ handle: 'ada' }), PASSED)
  assert.equal(await put({ debitCardId: null }), PASSED)
  assert.equal(await put(link), PASSED)
  assert.equal(await put({ unlinkBankAccountId: bank }), PASSED)
  assert.equal(await put({}), 'form_ambiguous')
  assert.equal(await put({ ...link, handle: 'ada' }), 'form_ambiguous')
  assert.equal(await put({ ...link, unlinkBankAccountId: bank }), 'form_ambiguous')
  assert.equal(await put({ bankName: 'B' }), 'request_invalid')
  assert.equal(await put({ debitCardId: '4111111111111111' }), 'request_invalid')
})

test('an Idempotency-Key that is none is refused before anything is done', async () => {
  const headers = { authorization: door.me.authorization, 'idempotency-key': 'a b' }
  const answer = { method: 'POST', url: '/v1/transaction', headers, payload: fine() } as const
  assert.equal((await door.app.inject(answer)).json<Problem>().code, 'idempotency_key_invalid')
})

test('a caller who asks too often is told to wait, and how long', async () => {
  const { app, me, pass } = await openDoor()
  const ask = async (authorization: string) => {
    const headers = { authorization }
    return await app.inject({ method: 'DELETE', url: '/v1/session', headers })
  }
  for (let asked = 0; asked < 600; asked += 1) await ask(me.authorization)
  const refused = await ask(me.authorization)
  assert.equal(refused.statusCode, 429)
  assert.equal(refused.headers['ratelimit'], '"writes";r=0;t=60')
  assert.equal(refused.headers['retry-after'], '60')
  assert.equal((await app.inject('/healthz')).statusCode, 200)
  assert.equal((await ask('Bearer forged')).statusCode, 401, 'an unknown caller is another caller')
  pass(MINUTE)
  assert.equal((await ask(me.authorization)).statusCode, 503)
  await app.close()
})

test('a check is told when it fails', async () => {
  let ready = true
  const readiness = async () => await Promise.resolve({ ready, checks: {} })
  const { app, logged } = await openDoor({ readiness })
  await app.inject('/healthz')
  await app.inject('/readyz')
  assert.deepEqual(logged, [])
  ready = false
  await app.inject('/readyz')
  await app.close()
  assert.equal(logged.length, 1)
  assert.match(logged[0] ?? '', /"route":"\/readyz","status":503/)
})

test('a log line has the request id, the route and no content; trouble is told once', async () => {
  const payments = failing(new Error('boom')) as HttpParts['payments']
  const { app, me, logged } = await openDoor({ payments })
  const headers = { authorization: me.authorization, 'request-id': 'r-1' }
  const payload = { ...fine(), note: 'very private' }
  const answer = await app.inject({ method: 'POST', url: '/v1/transaction', headers, payload })
  assert.equal(answer.json<Problem>().code, 'internal')
  assert.doesNotMatch(answer.body, /boom/)
  await app.close()
  const lines = logged.map((line) => JSON.parse(line) as Record<string, unknown>)
  assert.deepEqual(
    lines.map(({ level, msg }) => [level, msg]),
    [
      [50, 'a bug'],
      [30, 'answered'],
    ],
  )
  for (const line of lines) {
    assert.equal(line['requestId'], 'r-1')
    assert.equal(line['route'], '/v1/transaction')
  }
  assert.doesNotMatch(logged.join(''), /very private|Bearer|eyJ/)
  assert.doesNotMatch(logged.join(''), new RegExp(me.id))
})

test('a door that closes waits for nobody who said nothing, and not long for others', async () => {
  const { app } = await openDoor()
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  const silent = connect(port, '127.0.0.1')
  await once(app.server, 'connection')
  const half = connect(port, '127.0.0.1')
  half.write('POST /v1/session HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{')
  await once(app.server, 'request')
  const order: string[] = []
  const shut = [silent, half].map(async (socket, index) => {
    socket.on('error', () => undefined).resume()
    await once(socket, 'close')
    order.push(index === 0 ? 'silent' : 'half')
  })
  await app.close()
  await Promise.all(shut)
  assert.deepEqual(order, ['silent', 'half'])
})

test('a door that closes refuses what comes over open connections', async () => {
  const { app } = await openDoor()
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  const socket = connect(port, '127.0.0.1')
  const chunks: Buffer[] = []
  socket.on('data', (chunk) => chunks.push(chunk))
  // Half a request keeps the connection from counting as idle.
  socket.write('GET /healthz HTTP/1.1\r\nHost: x\r\n')
  await sleep(50)
  const closed = app.close()
  await sleep(50)
  socket.write('\r\n')
  await Promise.all([once(socket, 'close'), closed])
  const answer = Buffer.concat(chunks).toString()
  assert.match(answer, /^HTTP\/1.1 503 /)
  assert.match(answer, /^connection: close/im)
  assert.match(answer, /^retry-after: \d/im)
  assert.match(answer, /"code":"stopping"/)
})

test('the pages run no script but their own, and the reference calls nobody else', async () => {
  const docs = await door.app.inject('/docs/')
  assert.equal(docs.statusCode, 200)
  const policy = String(docs.headers['content-security-policy'])
  assert.match(policy, /default-src 'none'/)
  assert.match(policy, /script-src 'self' 'sha256-/)
  assert.match(policy, /connect-src 'self'/)
  assert.doesNotMatch(docs.body, /https?:\/\//)
  assert.equal((await door.app.inject('/docs/js/scalar.js')).statusCode, 200)
  assert.equal((await door.app.inject('/docs')).headers['location'], '/docs/')
  const bad = await door.app.inject({ url: '/docs', headers: { host: 'a b' } })
  assert.equal(bad.statusCode, 400)

  const errors = await door.app.inject('/docs/errors')
  assert.match(errors.body, /id="amount_invalid"/)
  assert.match(
    String(errors.headers['content-security-policy']),
    /^default-src 'none'; style-src 'sha/,
  )
})

test('the mailbox escapes what it shows', async () => {
  const { app } = await openDoor({
    readMailbox: async (recipient) =>
      await Promise.resolve([
        {
          channel: 'email',
          recipient: recipient ?? 'anyone',
          subject: '<b>hi</b>',
          body: 'code 123456 & <script>',
          createdAt: 0n as never,
        },
      ]),
  })
  const headers = { accept: 'text/html' }
  const shown = await app.inject({ url: '/dev/mailbox?to=%22%3E%3Cscript%3E', headers })
  assert.match(shown.body, /code 123456/)
  assert.doesNotMatch(shown.body, /<script|<b>hi/)
  const { data } = (await app.inject('/dev/mailbox')).json<{ data: object[] }>()
  assert.deepEqual(data, [
    {
      channel: 'email',
      recipient: 'anyone',
      subject: '<b>hi</b>',
      body: 'code 123456 & <script>',
      createTime: '1970-01-01T00:00:00.000000Z',
    },
  ])
  await app.close()
})
