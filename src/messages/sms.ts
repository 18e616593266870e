/** Hands a text message over to whoever carries it; `to` is a number in E.164. */
export type SendSms = (to: string, text: string, deliveryId: string) => Promise<void>

/** Longer than a gateway takes to say that it has a message. */
const ANSWER_WITHIN_MS = 15_000

/**
 * Sends text messages through an HTTP gateway: `POST url` with `{to, text}` as JSON, and the token
 * as a bearer. Any answer of 2xx is a message taken; with anything else the queue tries again under
 * the same `Idempotency-Key`: a gateway that does not heed it sends some twice. Companies that
 * carry messages differ in their own interfaces; a few lines behind this address speak any of them.
 */
export function smsGateway(url: string, token: string): SendSms {
  return async (to, text, deliveryId) => {
    const answer = await fetch(url, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        'idempotency-key': deliveryId,
      },
      body: JSON.stringify({ to, text }),
      redirect: 'error',
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
    })
    await answer.body?.cancel()
    // Its body may repeat the message, which holds a code.
    if (!answer.ok) throw new Error(`The SMS gateway answered ${answer.status}`)
  }
}

/** Without a gateway a text message fails, and ends among the parked jobs. */
export const noSms: SendSms = async () => {
  await Promise.reject(new Error('No SMS gateway is configured: set SMS_URL and SMS_TOKEN'))
}
