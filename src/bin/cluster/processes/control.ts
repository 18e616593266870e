import { connect } from 'node:net'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { StartRefused } from '../../../errors.ts'
import type { Kept } from './keeper.ts'

/** What a supervisor is asked. */
export type Ask =
  | Readonly<{ do: 'start' | 'stop'; names: readonly string[] }>
  | Readonly<{ do: 'list' }>
  | Readonly<{ do: 'end' }>

export type Answer = Readonly<{ error: string } | { kept: readonly Kept[] }>

/** Ending a database takes its time. */
const ANSWER_WITHIN_MS = 120_000

export function socketIn(dir: string): string {
  return `${dir}/run/control.sock`
}

/**
 * The supervisor's answer; null when there is none to ask.
 *
 * @throws StartRefused when it could not do it.
 */
export async function ask(dir: string, what: Ask): Promise<readonly Kept[] | null> {
  const socket = connect(socketIn(dir))
  try {
    await once(socket, 'connect')
  } catch {
    return null
  }
  socket.setTimeout(ANSWER_WITHIN_MS, () => socket.destroy(new Error('no answer')))
  socket.end(JSON.stringify(what))
  const answer = JSON.parse(await text(socket)) as Answer
  if ('error' in answer) throw new StartRefused(`The supervisor could not: ${answer.error}.`)
  return answer.kept
}
