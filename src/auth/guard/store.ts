import type { Queryable } from '../../db/query.ts'
import type { EventId } from '../../ids/ids.ts'
import { NOBODY } from '../../ids/ids.ts'
import { printTime } from '../../time.ts'
import type { Micros } from '../../time.ts'
import type { AuthEvent } from './record.ts'

const insertEventStatement = {
  name: 'auth_insert_event',
  text: `insert into auth_event (user_id, event_id, at, kind, outcome, client_id, network, device,
           facts)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
}

export async function insertEvent(
  db: Queryable,
  event: AuthEvent & Readonly<{ eventId: EventId; at: Micros }>,
): Promise<void> {
  const { userId, eventId, at, kind, outcome, clientId, network, device, facts } = event
  const what = [userId ?? NOBODY, eventId, printTime(at), kind, outcome]
  await db.query(insertEventStatement, [...what, clientId, network, device, JSON.stringify(facts)])
}
