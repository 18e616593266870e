import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import { after, before, test } from 'node:test'
import { inspect } from 'node:util'
import { newId } from '../../src/ids/ids.ts'
import { mailboxDelivery, readMailbox } from '../../src/messages/mailbox.ts'
import { noSms, smsGateway } from '../../src/messages/sms.ts'
import { smtpDelivery } from '../../src/messages/smtp.ts'
import type { Micros } from '../../src/time.ts'
import { freshDatabase } from '../kit/database.ts'
import type { FreshDatabase } from '../kit/database.ts'
import { startMailServer } from './mail-server.ts'

const userId = newId('user')
const mail = {
  userId,
  channel: 'email',
  recipient: 'ann@example.com',
  subject: 'Your Farthing code',
  body: 'Hello,\n.\nyour code is 012345.',
} as const

const deliveryId = (n: number): string => String(n).padStart(32, '0')

let database: FreshDatabase

before(async () => {
  database = await freshDatabase()
})
after(async () => {
  await database.drop()
})

test('the mailbox shows what was sent, newest first, by recipient or all of it', async () => {
  let now = 1_790_000_000_000_000n
  const deliver = mailboxDelivery(database.pool, { now: () => now as Micros })
  const text = { ...mail, channel: 'phone', recipient: '+12025550100' } as const
  await deliver(mail, deliveryId(1))
  now++
  await deliver({ ...mail, body: 'second' }, deliveryId(2))
  now++
  await deliver(text, deliveryId(3))
  await deliver(text, deliveryId(3)) // a job that ran twice

  const ann = await readMailbox(database.pool, mail.recipient, 10)
  assert.deepEqual(
    ann.map(({ body }) => body),
    ['second', mail.body],
  )
  const [newest] = await readMailbox(database.pool, null, 10)
  const { messageId: _id, ...shown } = newest ?? assert.fail()
  assert.deepEqual(shown, { ...text, createdAt: now })
  assert.equal((await readMailbox(database.pool, null, 2)).length, 2)
  assert.deepEqual(await readMailbox(database.pool, 'nobody@example.com', 10), [])
})

/** A mail server that gives this answer to all. */
async function smtpServer(answer: string) {
  const server = await startMailServer(() => answer)
  return { ...server, [Symbol.asyncDispose]: server.close }
}

test('e-mail goes out over SMTP, to the one recipient, as plain text', async () => {
  await using server = await smtpServer('250 taken')
  await smtpDelivery(server.url, 'Farthing <no-reply@example.com>', noSms)(mail, deliveryId(1))
  assert(server.heard.includes('MAIL FROM:<no-reply@example.com>'))
  const recipients = server.heard.filter((line) => line.startsWith('RCPT TO:'))
  assert.deepEqual(recipients, ['RCPT TO:<ann@example.com>'])
  assert(server.heard.includes('Subject: Your Farthing code'))
  assert(server.heard.includes('your code is 012345.'))
  assert(server.heard.includes(`Message-ID: <${deliveryId(1)}@example.com>`))
  assert(server.heard.some((line) => line.startsWith('Content-Type: text/plain')))
})

test('a recipient is one address, whatever is written in it', async () => {
  await using server = await smtpServer('250 taken')
  const deliver = smtpDelivery(server.url, 'no-reply@example.com', noSms)
  for (const recipient of [
    'a@example.com, b@example.com',
    'a@example.com\r\nRCPT TO:<b@example.com>',
  ]) {
    await deliver({ ...mail, recipient }, deliveryId(1)).catch(() => null)
  }
  assert(!server.heard.some((line) => line.startsWith('RCPT TO:<b@')))
})

test('a server that refuses or is away makes the job fail, to be tried again', async () => {
  await using server = await smtpServer('451 not now')
  await assert.rejects(smtpDelivery(server.url, 'no-reply@example.com', noSms)(mail, deliveryId(1)))
  await assert.rejects(
    smtpDelivery('smtp://127.0.0.1:1', 'no-reply@example.com', noSms)(mail, deliveryId(1)),
  )
})

test('what a mail server repeats of a message is in no error', async () => {
  const link = 'https://pay.example.com/reset-password?token=SECRET'
  for (const answer of [
    `554 5.7.1 Blocked for ${mail.recipient}: URL ${link}`,
    `554-Blocked\r\n554 ${link}`,
    `no SMTP at all ${link}`,
  ]) {
    await using server = await smtpServer(answer)
    const letter = { ...mail, body: link }
    const sent = smtpDelivery(server.url, 'no-reply@example.com', noSms)(letter, deliveryId(1))
    await assert.rejects(sent, (error) => {
      assert(error instanceof Error)
      assert.match(error.message, /^The (mail server|e-mail) .+ \(EMESSAGE, DATA\)$/)
      // As a log shows it: with causes and all members.
      assert.doesNotMatch(inspect(error, { depth: null }), /SECRET|Blocked|ann@/)
      return true
    })
  }
})

test('operators read the code of a refusal, and why a mail server is not reached', async () => {
  await using server = await smtpServer('554 no')
  const [there, away] = [server.url, 'smtp://127.0.0.1:1'].map((url) =>
    smtpDelivery(url, 'no-reply@example.com', noSms),
  )
  const message = 'The mail server answered 554 (EMESSAGE, DATA)'
  await assert.rejects(there?.(mail, deliveryId(1)) ?? assert.fail(), { message })
  await assert.rejects(away?.(mail, deliveryId(1)) ?? assert.fail(), /ECONNREFUSED/)
})

test('a text message without a gateway fails and says why', async () => {
  const deliver = smtpDelivery('smtp://127.0.0.1:1', 'no-reply@example.com', noSms)
  const text = { ...mail, channel: 'phone', recipient: '+12025550100' } as const
  await assert.rejects(deliver(text, deliveryId(1)), /No SMS gateway is configured/)
})

/** An HTTP gateway that gives this answer to all, and notes what it is told. */
async function gateway(status: number) {
  const heard: Record<string, unknown>[] = []
  const take = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { authorization, 'idempotency-key': key } = request.headers
    heard.push({ authorization, key, body: await json(request) })
    response.writeHead(status).end('what it was told, perhaps')
  }
  const server = createHttpServer((request, response) => void take(request, response))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    heard,
    url: `http://127.0.0.1:${port}/messages`,
    [Symbol.asyncDispose]: async () => {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

const sms = { ...mail, channel: 'phone', recipient: '+12025550100', body: '012345' } as const

test('a text message goes to the gateway, with the token', async () => {
  await using there = await gateway(202)
  const send = smsGateway(there.url, 'a token')
  await smtpDelivery('smtp://127.0.0.1:1', 'no-reply@example.com', send)(sms, deliveryId(1))
  const body = { to: '+12025550100', text: '012345' }
  assert.deepEqual(there.heard, [{ authorization: 'Bearer a token', key: deliveryId(1), body }])
})

test('a gateway that refuses is asked again later, and its words are not repeated', async () => {
  await using there = await gateway(500)
  const sending = smsGateway(there.url, 'a token')(sms.recipient, sms.body, deliveryId(1))
  await assert.rejects(sending, (error) => {
    assert(error instanceof Error)
    assert.equal(error.message, 'The SMS gateway answered 500')
    return true
  })
  await assert.rejects(noSms(sms.recipient, sms.body, deliveryId(1)), /set SMS_URL/)
})
