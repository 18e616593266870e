import assert from 'node:assert/strict'
import { parseId } from '../../../src/ids/ids.ts'
import { readMailbox } from '../../../src/messages/mailbox.ts'
import { after, DAY } from '../../../src/time.ts'
import { markVerified } from '../../../src/users/store.ts'
import { signInOn } from '../kit/app.ts'
import { codesOn } from '../kit/authenticator-app.ts'
import type { NextCode } from '../kit/authenticator-app.ts'
import type { Customer, OpenProvider } from '../kit/provider.ts'
import { openVisitor } from '../kit/visitor.ts'

/** The newest message to there whose subject begins so, once the queue has brought it. */
export async function letter(
  { house }: OpenProvider,
  recipient: string,
  subject: string,
): Promise<string> {
  const { world } = house
  const found = await world.until(async () => {
    const messages = await readMailbox(world.pool, recipient, 20)
    return messages.find((message) => message.subject.startsWith(subject))
  })
  return found.body
}

/** Where a link in a message leads. The queue of these tests does not know the issuer's port. */
export function linkIn({ issuer }: OpenProvider, body: string): URL {
  const url = /http:\/\/auth\.test(\/\S+)/.exec(body)?.[1] ?? assert.fail(`no link in: ${body}`)
  return new URL(url, issuer)
}

/** Somebody whose e-mail address and phone number were proven two days ago. */
export async function provenCustomer(provider: OpenProvider): Promise<Customer> {
  const ada = await provider.customer()
  const { pool, parts } = provider.house.world
  const userId = parseId('user', ada.id) ?? assert.fail()
  const now = after(parts.clock.now(), -2n * DAY)
  await markVerified(pool, { userId, channel: 'email', recipient: ada.email, now })
  await markVerified(pool, { userId, channel: 'phone', recipient: ada.phoneNumber, now })
  return ada
}

/** Sets an authenticator app and recovery codes up for them, and gives what these show. */
export async function withApp(
  { issuer, house }: OpenProvider,
  ada: Customer,
): Promise<Readonly<{ next: NextCode; recoveryCode: string }>> {
  const visitor = openVisitor(issuer)
  const page = await signInOn(visitor, await visitor.open(`${issuer}/account`), ada)
  const setUp = await visitor.submit(page, {}, '/account/totp')
  const next = codesOn(setUp.html, house.world.parts.clock)
  const done = await visitor.submit(setUp, { code: next() }, '/account/totp/confirm')
  const { html } = await visitor.submit(done, {}, '/account/recovery-codes')
  const recoveryCode = /[a-z0-9]{4}(?:-[a-z0-9]{4}){2}/.exec(html)?.[0] ?? assert.fail(html)
  return { next, recoveryCode }
}
