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
    try {
      await transport.sendMail({ from, to, subject, text: body, messageId })
    } catch (error) {
      throw withoutAnswer(error)
    }
  }
}

/** Of these, without an answer, Node tells: no server has seen the message. */
const connecting: readonly unknown[] = ['ECONNECTION', 'EDNS', 'ESOCKET', 'ETIMEDOUT', 'ETLS']

type Refusal = Readonly<Partial<Record<'code' | 'command' | 'responseCode' | 'response', unknown>>>

/**
 * What a mail server answers may repeat the message, whose links and codes open accounts: reasons
 * are kept and shown without it, and without a cause.
 */
function withoutAnswer(error: unknown): unknown {
  const { code, command, responseCode, response } = error as Refusal
  if (response === undefined && connecting.includes(code)) return error
  const at = [code, command].filter((one) => typeof one === 'string').join(', ')
  const said =
    typeof responseCode === 'number'
      ? `The mail server answered ${responseCode}`
      : 'The e-mail was not handed over'
  return new Error(`${said} (${at || 'no code'})`)
}
