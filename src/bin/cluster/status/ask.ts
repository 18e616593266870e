import { once } from 'node:events'
import { connect } from 'node:net'

/** Whoever says nothing for so long is away. */
const ANSWER_WITHIN_MS = 1_500

export type Heard = Readonly<{ ok: boolean; body: unknown }>

/** What an HTTP server says, as JSON if it is any; null when there is no answer. */
export async function askHttp(url: string, body: object | null = null): Promise<Heard | null> {
  try {
    const answer = await fetch(url, {
      method: body === null ? 'GET' : 'POST',
      ...(body === null ? {} : { body: JSON.stringify(body) }),
      headers: { connection: 'close' },
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
    })
    const text = await answer.text()
    return { ok: answer.ok, body: parsed(text) }
  } catch {
    return null
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

const WELCOME = '+OK\r\n'

/** A text as long as it says, or as many short ones as it says. */
function isWhole(answer: string): boolean {
  const [, kind, count = '0'] = /^([$*])(-?\d+)\r\n/.exec(answer) ?? []
  if (kind === undefined) return answer.endsWith('\r\n')
  const lines = answer.split('\r\n').length - 1
  if (kind === '*') return lines >= 1 + 2 * Math.max(0, Number(count))
  return Number(count) < 0 || answer.length >= answer.indexOf('\r\n') + 4 + Number(count)
}

/**
 * What a Redis or a Sentinel says to one command, as it comes over the line; null when there is no
 * answer. Written by hand, for one command each time: no library is loaded to look once.
 */
export async function askRedis(
  { address, port, password }: Readonly<{ address: string; port: number; password: string }>,
  command: string,
): Promise<string | null> {
  const socket = connect({ host: address, port })
  socket.setTimeout(ANSWER_WITHIN_MS, () => socket.destroy(new Error('no answer')))
  try {
    await once(socket, 'connect')
    socket.write(`AUTH ${password}\r\n${command}\r\n`)
    let heard = ''
    for await (const chunk of socket) {
      heard += String(chunk)
      const answer = heard.slice(WELCOME.length)
      if (heard.startsWith('-') || isWhole(answer)) return answer
    }
    return null
  } catch {
    return null
  } finally {
    socket.destroy()
  }
}
