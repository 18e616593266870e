import { subscribe, unsubscribe } from 'node:diagnostics_channel'

/** The caller says what the channel carries; a channel itself has no type. */
export function listen(channel: string, hear: (event: never) => void): () => void {
  const listener = (event: unknown): void => hear(event as never)
  subscribe(channel, listener)
  return () => unsubscribe(channel, listener)
}
