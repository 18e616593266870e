/** What comes in and goes out of a channel between two processes. */
type Message =
  | Readonly<{ tell: string; content: unknown }>
  | Readonly<{ ask: string; number: number; content: unknown }>
  | Readonly<{ answer: number; content: unknown }>
  | Readonly<{ answer: number; failed: string }>

/** One end of a channel, as `process` and a child process have it. */
export type End = Readonly<{
  connected: boolean
  send?: (message: Message, handle?: undefined, options?: object, sent?: () => void) => boolean
  on: (event: 'message', hear: (message: unknown) => void) => unknown
  once: (event: 'disconnect', hear: () => void) => unknown
}>

/** By the name of what is asked. What it throws goes back as a failure. */
export type Answers = Readonly<Record<string, (content: never) => unknown>>

export type Link = Readonly<{
  tell: (what: string, content: unknown) => void
  /** @throws when no answer comes in time, and when the other end has failed or is gone. */
  ask: (what: string, content: unknown, withinMs: number) => Promise<unknown>
}>

/** More that wait for an answer would only wait longer. */
const ASKED_MAX = 10_000

type Asked = Readonly<{ resolve: (content: unknown) => void; reject: (error: Error) => void }>

/** Joins this process to another one, over the channel that a fork opens between them. */
export function openLink(end: End, answers: Answers): Link {
  const asked = new Map<number, Asked>()
  let number = 0

  const send = (message: Message): void => {
    // What cannot be sent any more is told by the end of the channel, and by answers that fail.
    if (end.connected) end.send?.(message, undefined, {}, () => undefined)
  }

  async function answer(what: string, asking: number, content: unknown): Promise<void> {
    try {
      const find = answers[what]
      if (!find) throw new Error(`nobody here answers ${what}`)
      send({ answer: asking, content: (await find(content as never)) ?? null })
    } catch (error) {
      send({ answer: asking, failed: error instanceof Error ? error.message : String(error) })
    }
  }

  end.on('message', (heard) => {
    if (typeof heard !== 'object' || heard === null) return
    const message = heard as Message
    if ('tell' in message) answers[message.tell]?.(message.content as never)
    else if ('ask' in message) void answer(message.ask, message.number, message.content)
    else if ('answer' in message) {
      const waiting = asked.get(message.answer)
      asked.delete(message.answer)
      if ('failed' in message) waiting?.reject(new Error(message.failed))
      else waiting?.resolve(message.content)
    }
  })
  end.once('disconnect', () => {
    for (const { reject } of asked.values()) reject(silent())
    asked.clear()
  })

  return {
    tell: (what, content) => send({ tell: what, content }),
    ask: async (what, content, withinMs) => {
      if (!end.connected || asked.size >= ASKED_MAX) throw silent()
      const mine = (number += 1)
      let late: NodeJS.Timeout | undefined
      try {
        return await new Promise((resolve, reject) => {
          asked.set(mine, { resolve, reject })
          late = setTimeout(() => reject(silent()), withinMs)
          send({ ask: what, number: mine, content })
        })
      } finally {
        clearTimeout(late)
        asked.delete(mine)
      }
    },
  }
}

function silent(): Error {
  return new Error('the other process does not answer')
}
