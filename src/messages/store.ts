import type { Queryable } from '../db/query.ts'
import type { MessageId } from '../ids/ids.ts'
import { printTime } from '../time.ts'
import type { Micros } from '../time.ts'
import type { Message } from './deliver.ts'

export type KeptMessage = Message & Readonly<{ messageId: MessageId; createdAt: Micros }>

const insertStatement = {
  name: 'messages_insert',
  text: `insert into message (user_id, message_id, channel, recipient, subject, body, created_at)
         values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing`,
}

/** Once for an id. */
export async function insertMessage(db: Queryable, message: KeptMessage): Promise<void> {
  const { userId, messageId, channel, recipient, subject, body, createdAt } = message
  const values = [userId, messageId, channel, recipient, subject, body, printTime(createdAt)]
  await db.query(insertStatement, values)
}

const columns = `user_id as "userId", message_id as "messageId", channel, recipient, subject, body,
  created_at as "createdAt"`

const readStatement = {
  name: 'messages_read',
  text: `select ${columns} from message where recipient = $1
         order by created_at desc, message_id desc limit $2`,
}

const readAllStatement = {
  name: 'messages_read_all',
  text: `select ${columns} from message order by created_at desc, message_id desc limit $1`,
}

/** Newest first; `null` for every recipient. */
export async function readMessages(
  db: Queryable,
  recipient: string | null,
  limit: number,
): Promise<readonly KeptMessage[]> {
  const { rows } =
    recipient === null
      ? await db.query<KeptMessage>(readAllStatement, [limit])
      : await db.query<KeptMessage>(readStatement, [recipient, limit])
  return rows
}
