import { readFileSync } from 'node:fs'
import type { AuthLayer } from '../access/auth-layer.ts'
import { createRemoteAuth } from '../access/remote-auth.ts'
import { createDenyList, type DenyList, LOOK_MAX_MS } from '../access/deny-list.ts'
import { readIssuersFile } from '../access/issuers-file.ts'
import { type Issuer, outsideIssuer, ownIssuer } from '../access/issuers.ts'
import { remoteKeys } from '../access/remote-keys.ts'
import { createVerifier } from '../access/tokens.ts'
import { trustsOf } from '../config.ts'
import { openServerCache, type ServerCache } from '../cache/cache.ts'
import type { Config } from '../config.ts'
import { watchCommits } from '../db/citus/recovery.ts'
import { openPool, type Pool } from '../db/pool.ts'
import { createAdmission } from '../http/admission/admission.ts'
import { createServer } from '../http/server.ts'
import { readMailbox } from '../messages/mailbox.ts'
import { createHealth } from '../ops/health.ts'
import type { createLog } from '../ops/log.ts'
import { createTelemetry } from '../ops/telemetry.ts'
import type { Telemetry } from '../ops/telemetry.ts'
import type { PaymentParts } from '../payments/parts.ts'
import type { Payments } from '../payments/asks.ts'
import { customerOf } from '../payments/customer.ts'
import { createPayments } from '../payments/payments.ts'
import type { Quotas } from '../quotas.ts'
import { type Clock, systemClock } from '../time.ts'
import { readVerifyingKeys, type VerifyingKeys } from '../token-keys.ts'
import { findUser } from '../users/find.ts'
import { backSecretOf } from './auth/secrets.ts'
import { withCopies } from './cache/copies.ts'
import { sharedPool } from './database.ts'
import { INQUIRIES_AT_ONCE } from './processes/connections.ts'
import { buildPaymentParts, type Site } from './work/parts.ts'

/** The rooms and the hall: all of the house but its doors. */
export type House = Readonly<{
  site: Site
  clock: Clock
  pool: Pool
  parts: PaymentParts
  payments: Payments
  authLayer: AuthLayer
  denyList: OpenDenyList
  cache: ServerCache
  /** After the doors are shut: finishes the payments under way, and closes all connections. */
  close: () => Promise<void>
}>

export function buildHouse(site: Site): House {
  const { config, keys, url } = site
  const clock = systemClock
  const pool = sharedPool(config, url)
  const cache = openServerCache({ url, ...config.cache }, pool)
  const parts = buildPaymentParts(site, { pool, fence: cache.fence, clock })
  const inquiries = sharedPool(config, url, INQUIRIES_AT_ONCE)
  const denyList = openDenyList(url, clock)
  const commits = watchCommits(pool)
  const close = async (): Promise<void> => {
    await commits.stop()
    await denyList.stop()
    await parts.ledger.close()
    await cache.stop()
    await inquiries.end()
    await pool.end()
  }
  const authLayer = createRemoteAuth(config.auth.backUrls, backSecretOf(keys))
  // What became of a request is told while a crowd waits for the shared connections.
  const { findRequest } = createPayments({ ...parts, pool: inquiries })
  const payments = withCopies({ ...createPayments(parts), findRequest }, parts, cache.read)
  return { site, clock, pool, parts, payments, authLayer, denyList, cache, close }
}

export type Doors = Readonly<{
  app: ReturnType<typeof createServer>
  health: ReturnType<typeof createHealth>
  telemetry: Telemetry
}>

/** The API, which does not listen yet, and what operators see of it. */
export function buildDoors(
  house: House,
  { log, quotas }: Readonly<{ log: ReturnType<typeof createLog>; quotas: Quotas | null }>,
): Doors {
  const { site, clock, pool, payments, authLayer, denyList } = house
  const { config, keys } = site
  const tokenKeys: VerifyingKeys = readVerifyingKeys(keys.tokenKeys)
  const admission = createAdmission()
  const { counts: admissionCounts } = admission
  const telemetry = createTelemetry({ log, poolCounts: pool.counts, admissionCounts })
  const revocations = async () => await Promise.resolve(denyList.check())
  const health = databaseHealth(denyList.db, { revocations })
  const app = createServer({
    version: readVersion(),
    log,
    clock,
    quotas,
    admission,
    trusts: trustsOf(config, config.publicUrl),
    payments,
    authLayer,
    verifyToken: createVerifier({
      issuers: issuersOf(config, tokenKeys, clock),
      denies: denyList.denies,
      customerOf: async (outsider) => await customerOf({ pool, clock }, outsider),
      clock,
    }),
    findUser: async (id) => await findUser(pool, id),
    publicJwks: tokenKeys.publicJwks,
    readiness: health.readiness,
    readMailbox:
      config.environment === 'development'
        ? async (recipient, limit) => await readMailbox(pool, recipient, limit)
        : null,
  })
  // What was revoked is known before the door opens.
  app.addHook('onReady', denyList.start)
  app.addHook('onReady', house.cache.start)
  return { app, health, telemetry }
}

/** Whether the database answers, as balancers and operators are told. */
export function databaseHealth(
  db: Pick<Pool, 'query'>,
  more: Parameters<typeof createHealth>[0],
): ReturnType<typeof createHealth> {
  return createHealth({ database: async () => await db.query('select 1'), ...more })
}

function issuersOf(config: Config, keys: VerifyingKeys, clock: Clock): readonly Issuer[] {
  const { auth, environment, publicUrl: audience } = config
  const own = ownIssuer({ issuer: auth.url, audience, keys })
  if (auth.issuersFile === null) return [own]
  const development = environment === 'development'
  const outside = readIssuersFile({ path: auth.issuersFile, development, own: auth.url })
  return [own, ...outside.map((theirs) => outsideIssuer(theirs, remoteKeys(theirs.jwksUri, clock)))]
}

type OpenDenyList = DenyList & Readonly<{ db: Pick<Pool, 'query'> }>

/**
 * On a connection of its own: a queue in front of the pool would make the list old, and whoever
 * asks whether the database answers would hear that we are busy.
 */
function openDenyList(url: string, clock: Clock): OpenDenyList {
  const db = openPool({
    url,
    max: 1,
    statementTimeoutMs: LOOK_MAX_MS,
    applicationName: 'farthing deny list',
  })
  const list = createDenyList({ db, clock })
  return {
    ...list,
    db,
    stop: async () => {
      await list.stop()
      await db.end()
    },
  }
}

function readVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}
