import { createTransport } from 'nodemailer'
import type { Deliver } from './deliver.ts'
import type { SendSms } from './sms.ts'

const CONNECT_TIMEOUT_MS = 10_000
/** Longer than a careful server takes to look a message over, shorter than a worker's patience. */
const SILENCE_TIMEOUT_MS = 30_000

/**
 * Delivers e-mail through the server at `url`, from the address `from`. `smtps://user:pass@host`
 * speaks TLS from the first byte; `smtp://…?requireTLS=true` refuses to go on without STARTTLS.
 * Text messages go out by `sendSms`.
 */
export function smtpDelivery(url: string, from: string, sendSms: SendSms): Deliver {
  const transport = createTransport({
    url,
    connectionTimeout: CONNECT_TIMEOUT_MS,
    greetingTimeout: CONNECT_TIMEOUT_MS,
    socketTimeout: SILENCE_TIMEOUT_MS,
    // A message is text and nothing else: none may pull a file or a page into itself.
    disableFileAccess: true,
    disableUrlAccess: true,
  })
  const domain = /@([^\s>]+)/.exec(from)?.[1] ?? 'localhost'
  return async ({ channel, recipient, subject, body }, deliveryId) => {
    if (channel === 'phone') return await sendSms(recipient, body, deliveryId)
    // An address object, not a text, so that a comma in it can never become a second recipient.
    const to = { name: '', address: recipient }
    // One that is sent a second time has the same name, by which many mailboxes know it again.
    const messageId = `<${deliveryId}@${domain}>`
    await transport.sendMail({ from, to, subject, text: body, messageId })
  }
}
