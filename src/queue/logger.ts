import { channel } from 'node:diagnostics_channel'
import { Logger } from 'graphile-worker'

/** Publishes `{ level, message }` for what the queue's library complains of. */
const queueChannel = channel('farthing:queue.trouble')

/** Passes on trouble. What goes as it should is told by events, not by text. */
export const queueLogger = new Logger(() => (level, message) => {
  if (level === 'error' || level === 'warning') {
    queueChannel.publish({ level, message })
  }
})
