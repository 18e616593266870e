import type { FastifyInstance } from 'fastify'
import { createArrivals } from '../../auth/arrival.ts'
import { commonPasswords } from '../../auth/directories/common-passwords.ts'
import type { Directory } from '../../auth/directory.ts'
import { createFactors } from '../../auth/factors/factors.ts'
import { createBudgets, unbudgeted } from '../../auth/guard/budgets.ts'
import { createMeter } from '../../auth/guard/meter.ts'
import { createRecorder } from '../../auth/guard/record.ts'
import { createThrottle, unthrottled } from '../../auth/guard/throttle.ts'
import { cancellingReset, createFactorReset } from '../../auth/recovery/factor-reset.ts'
import { createPasswordReset } from '../../auth/recovery/password-reset.ts'
import { createSessions } from '../../auth/sessions/sessions.ts'
import { createSignIn } from '../../auth/sign-in.ts'
import { createIssuer } from '../../auth/tokens.ts'
import { trustsOf } from '../../config.ts'
import type { Fence } from '../../db/fence.ts'
import type { Pool } from '../../db/pool.ts'
import type { createHealth } from '../../ops/health.ts'
import { createLog } from '../../ops/log.ts'
import { createAuthLayer } from '../../provider/layer.ts'
import { readClients } from '../../provider/openid/clients.ts'
import type { Client } from '../../provider/openid/clients.ts'
import { createProvider } from '../../provider/openid/provider.ts'
import { providerPages } from '../../provider/pages/provider-pages.ts'
import { createSlips } from '../../provider/slips.ts'
import { createAuthServer } from '../../provider/server.ts'
import { createQuotas } from '../../quotas.ts'
import type { Clock } from '../../time.ts'
import { readTokenKeys } from '../../token-keys.ts'
import { databaseHealth } from '../build.ts'
import type { Site } from '../work/parts.ts'
import { openDirectory } from './directory.ts'
import { backSecretOf, secretFor } from './secrets.ts'

export type AuthDoor = Readonly<{
  app: FastifyInstance
  /** Closes what only this layer has open. */
  close: () => void
  health: ReturnType<typeof createHealth>
}>

type AuthStand = Readonly<{ pool: Pool; fence: Fence; clock: Clock }>

/** The auth layer. It does not listen yet. `issuer` is where browsers will find it. */
export function buildAuthDoor(
  site: Site,
  { pool, fence, clock }: AuthStand,
  issuer: string,
): AuthDoor {
  const { config, keys } = site
  const { tokenTtlSeconds, publicUrl: audience } = config
  commonPasswords()
  const { directory, close } = openDirectory(config, pool, clock)
  const rooms = buildRooms(site, { pool, fence, clock, directory }, issuer)
  const clients = readClients({ ...config.auth, issuer })
  const provider = createProvider({
    issuer,
    audience,
    tokenKeys: keys.tokenKeys,
    tokenTtlSeconds,
    cookieKey: secretFor(keys, 'cookies of the auth layer'),
    clients,
    db: pool,
    clock,
    sessions: rooms.sessions,
    pages: providerPages,
  })
  const health = databaseHealth(pool, {})
  const app = createAuthServer({
    ...rooms,
    provider,
    db: pool,
    clock,
    layer: createAuthLayer(rooms),
    clientOf: finder(clients),
    appName: (id) => clients.find((client) => client.id === id)?.name ?? id,
    audience,
    issuer,
    trusts: trustsOf(config, issuer),
    appOrigins: originsOf(clients, issuer),
    framedBy: originsOf(
      clients.filter(({ firstParty }) => firstParty),
      issuer,
    ),
    backSecret: backSecretOf(keys),
    slips: createSlips(secretFor(keys, 'slips of the auth layer'), 'lost-factors', clock),
    log: createLog(config.environment, 'auth layer'),
    readiness: health.readiness,
    quotas: config.rateLimits ? createQuotas(clock, null) : null,
  })
  return { app, health, close }
}

/** All that the pages, the provider and the back door stand on. */
function buildRooms(
  { config, keys }: Site,
  { pool, fence, clock, directory }: AuthStand & Readonly<{ directory: Directory }>,
  issuer: string,
) {
  const { tokenTtlSeconds, publicUrl: audience } = config
  const { sealKeys, digestKey } = keys
  const record = createRecorder(pool, clock)
  const names = { issuer, audience, ttlSeconds: tokenTtlSeconds }
  const issueToken = createIssuer({ keys: readTokenKeys(keys.tokenKeys), ...names, clock })
  const sessions = createSessions({ pool, directory, issueToken, tokenTtlSeconds, clock, record })
  const { hostname: rpId, origin } = new URL(issuer)
  const factorSite = { rpId, origin }
  const factors = createFactors({ pool, clock, sealKeys, digestKey, record, site: factorSite })
  const throttle = config.rateLimits ? createThrottle(pool, clock) : unthrottled
  const budgets = config.rateLimits ? createBudgets(pool, clock) : unbudgeted
  const meter = createMeter(pool, clock)
  const base = { pool, clock, digestKey, directory, sessions, throttle, budgets, meter, record }
  const recovery = { ...base, factors }
  const factorReset = createFactorReset({
    ...recovery,
    removeFactors: async (userId, tx) => await factors.removeAll(tx, userId),
  })
  const cancelling = cancellingReset(factors, factorReset)
  return {
    directory,
    record,
    arrive: createArrivals({ pool, clock, record }),
    sessions,
    factors,
    budgets,
    recovery,
    factorReset,
    passwordReset: createPasswordReset({ ...base, factors: cancelling }),
    signIn: createSignIn({ db: pool, directory, factors: cancelling, throttle, record }),
    enrolling: { pool, fence, clock, digestKey, directory },
  }
}

function finder(clients: readonly Client[]): (id: string) => Client {
  const byId = new Map(clients.map((client) => [client.id, client]))
  return (id) => {
    const client = byId.get(id)
    if (!client) throw new Error(`The provider let a client in that nobody knows: ${id}`)
    return client
  }
}

function originsOf(clients: readonly Client[], issuer: string): readonly string[] {
  const uris = clients.flatMap(({ metadata }) => metadata.redirect_uris ?? [])
  const origins = new Set(uris.map((uri) => new URL(uri).origin))
  origins.delete(new URL(issuer).origin)
  return [...origins]
}
