import type { Queryable } from '../db/query.ts'
import type { MessageId } from '../ids/ids.ts'
import type { Clock } from '../time.ts'
import type { Deliver } from './deliver.ts'
import { insertMessage, readMessages } from './store.ts'
import type { KeptMessage } from './store.ts'

/** For development: keeps every message once where its page can show it, and sends none. */
export function mailboxDelivery(db: Queryable, clock: Clock): Deliver {
  return async (message, deliveryId) => {
    const messageId = deliveryId as MessageId // PostgreSQL takes a UUID without its hyphens
    await insertMessage(db, { ...message, messageId, createdAt: clock.now() })
  }
}

/** The kept messages to a recipient, or with `null` to anyone, newest first. */
export async function readMailbox(
  db: Queryable,
  recipient: string | null,
  limit: number,
): Promise<readonly KeptMessage[]> {
  return await readMessages(db, recipient, limit)
}
