import { createTransport } from 'nodemailer'
import type { Deliver } from './deliver.ts'

const CONNECT_TIMEOUT_MS = 10_000
/** Longer than a careful server takes to look a message over, shorter than a worker's patience. */
const SILENCE_TIMEOUT_MS = 30_000

/**
 * Delivers e-mail through the server at `url`, from the address `from`. `smtps://user:pass@host`
 * speaks TLS from the first byte; `smtp://…?requireTLS=true` refuses to go on without STARTTLS.
 *
 * No SMS gateway is built in: a text message fails, is tried again, and ends among the parked jobs,
 * where an operator sees it.
 */
export function smtpDelivery(url: string, from: string): Deliver {
  const transport = createTransport({
    url,
    connectionTimeout: CONNECT_TIMEOUT_MS,
    greetingTimeout: CONNECT_TIMEOUT_MS,
    socketTimeout: SILENCE_TIMEOUT_MS,
    // A message is text and nothing else: none may pull a file or a page into itself.
    disableFileAccess: true,
    disableUrlAccess: true,
  })
  return async ({ channel, recipient, subject, body }) => {
    if (channel === 'phone') throw new Error('No SMS gateway is configured')
    // An address object, not a text, so that a comma in it can never become a second recipient.
    await transport.sendMail({ from, to: { name: '', address: recipient }, subject, text: body })
  }
}
