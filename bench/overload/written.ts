import type { Pool } from '../../src/db/pool.ts'
import { parseId } from '../../src/ids/ids.ts'
import { digestKey } from '../../src/payments/rules/fingerprint.ts'
import type { Heard } from '../load/flood.ts'

type Found = Readonly<{ asked: number; found: number }>

/** How many keys are on record: accepted ones with the id that was heard, refused ones at all. */
export async function countWritten(
  pool: Pool,
  stretches: readonly Pick<Heard, 'accepted' | 'refused'>[],
): Promise<Readonly<{ accepted: Found; refused: Found }>> {
  const accepted = stretches.flatMap((one) => one.accepted)
  const refused = stretches.flatMap((one) => one.refused)
  const digests = accepted.map(({ key }) => digestKey(key)).join()
  const ids = accepted.map(({ id }) => parseId('txn', id)).join()
  const { rows: held } = await pool.query<{ found: bigint }>(
    `select count(*) as found
     from unnest($1::uuid[], $2::uuid[]) as heard (digest, id)
     join (select key_digest, array_agg(subject_id) as ids from request group by key_digest) as kept
       on kept.key_digest = heard.digest and kept.ids = array[heard.id]`,
    [`{${digests}}`, `{${ids}}`],
  )
  const { rows: kept } = await pool.query<{ found: bigint }>(
    'select count(*) as found from request where key_digest = any($1::uuid[])',
    [`{${refused.map(digestKey).join()}}`],
  )
  return {
    accepted: { asked: accepted.length, found: Number(held[0]?.found) },
    refused: { asked: refused.length, found: Number(kept[0]?.found) },
  }
}
