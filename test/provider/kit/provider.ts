import { noFence } from '../../cache/kit/no-fence.ts'
import assert from 'node:assert/strict'
import { randomBytes, randomInt } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createDenyList } from '../../../src/access/deny-list.ts'
import { ownIssuer } from '../../../src/access/issuers.ts'
import { createRemoteAuth } from '../../../src/access/remote-auth.ts'
import { createVerifier } from '../../../src/access/tokens.ts'
import type { VerifyToken } from '../../../src/access/tokens.ts'
import { buildAuthDoor } from '../../../src/bin/auth/build.ts'
import { backSecretOf } from '../../../src/bin/auth/secrets.ts'
import { readConfig } from '../../../src/config.ts'
import type { Keys, TokenJwk } from '../../../src/keys.ts'
import { readTokenKeys } from '../../../src/token-keys.ts'
import { openHouse } from '../../http/house.ts'
import type { House } from '../../http/house.ts'
import { makeJwk } from '../../kit/auth.ts'
import { ownPort } from '../../kit/port.ts'

/** Somebody who can sign in. */
export type Customer = Readonly<{
  id: string
  email: string
  phoneNumber: string
  password: string
}>

export type OpenProvider = Readonly<{
  issuer: string
  /** Where the web app lives. Nothing listens there unless the test does. */
  webUrl: string
  house: House
  /** What servers show at the back door. */
  backSecret: string
  customer: () => Promise<Customer>
  /** Ends the auth layer, and starts it anew: with these keys, if any are given. */
  stop: () => Promise<void>
  start: (tokenKeys?: readonly TokenJwk[]) => Promise<void>
  /** What the API knows tokens by. */
  trust: (tokenKeys: readonly TokenJwk[]) => void
  close: () => Promise<void>
}>

/** The service in the file of clients. */
export const job = {
  id: 'night-job',
  secret: 'a secret of the night job, long enough',
} as const
/** The app in the file of clients: somebody else's. */
export const shop = {
  id: 'shop',
  name: 'Corner Shop',
  redirectUri: 'https://shop.test/back',
} as const
/** Another one, which may not read profiles. */
export const till = {
  id: 'till',
  name: 'Corner Till',
  redirectUri: 'https://till.test/back',
} as const
export const firstKey = makeJwk('first')

const SEEN_WITHIN_MS = 30

const customerOf = async () => assert.fail('there is no outside issuer')

const clients = [
  {
    kind: 'app',
    id: shop.id,
    name: shop.name,
    scopes: ['user:read', 'payments:read'],
    redirectUris: [shop.redirectUri],
    postLogoutRedirectUris: ['https://shop.test/'],
  },
  {
    kind: 'app',
    id: till.id,
    name: till.name,
    scopes: ['payments:read'],
    redirectUris: [till.redirectUri],
    postLogoutRedirectUris: [],
  },
  { kind: 'service', ...job, name: 'Night job', scopes: ['staff:read'] },
]

/**
 * The real auth layer on a port of its own and the real API beside it, on one fresh database. Its
 * own parts go by the clock of the house, which a test may move; the library goes by the machine's.
 */
export async function openProvider(
  settings: Readonly<Record<string, string>> = {},
): Promise<OpenProvider> {
  const dir = await mkdtemp(join(tmpdir(), 'farthing-clients-'))
  const clientsFile = join(dir, 'clients.json')
  await writeFile(clientsFile, JSON.stringify({ clients }))
  const config = readConfig({
    AUTH_PORT: String(await ownPort()),
    WEB_URL: `http://localhost:${await ownPort()}`,
    CLIENTS_FILE: clientsFile,
    ARGON2_MEMORY_KIB: '64',
    ARGON2_PASSES: '1',
    RATE_LIMITS: 'off',
    ...settings,
  })
  const { url: issuer, backUrls, port } = config.auth
  // Which keys the API knows may change while it runs.
  const known: { verify: VerifyToken } = { verify: async () => assert.fail('no keys yet') }
  let backSecret = ''
  const house = await openHouse({}, ({ parts }) => {
    backSecret = backSecretOf(keysWith(parts.digestKey, []))
    const layer = createRemoteAuth(backUrls, backSecret)
    return { authLayer: layer, verifyToken: async (token) => await known.verify(token) }
  })

  const { pool, url, parts } = house.world
  const denied = createDenyList({ db: pool, clock: parts.clock })
  await denied.start()
  let door: ReturnType<typeof buildAuthDoor> | null = null
  let signing: readonly TokenJwk[] = [firstKey]

  async function start(tokenKeys: readonly TokenJwk[] = signing): Promise<void> {
    assert(door === null, 'it runs already')
    signing = tokenKeys
    const site = { config, keys: keysWith(parts.digestKey, tokenKeys), url }
    door = buildAuthDoor(site, { pool, fence: noFence, clock: parts.clock }, issuer)
    await door.app.listen({ host: '127.0.0.1', port })
  }
  async function stop(): Promise<void> {
    door?.health.stop()
    await door?.app.close()
    door = null
    // Clients in this process must have seen their connections end: else they send into one.
    await sleep(SEEN_WITHIN_MS)
  }
  const trust = (tokenKeys: readonly TokenJwk[]): void => {
    const keys = readTokenKeys(tokenKeys)
    const issuers = [ownIssuer({ issuer, audience: config.publicUrl, keys })]
    const { denies } = denied
    known.verify = createVerifier({ issuers, denies, customerOf, clock: parts.clock })
  }
  trust(signing)
  await start()

  return {
    issuer,
    webUrl: config.auth.webUrl,
    house,
    backSecret,
    customer: async () => await signUp(house),
    stop,
    start,
    trust,
    close: async () => {
      await stop()
      await denied.stop()
      await house.close()
      await rm(dir, { recursive: true })
    },
  }
}

function keysWith(digestKey: Uint8Array, tokenKeys: readonly TokenJwk[]): Keys {
  return { tokenKeys, digestKey, sealKeys: new Map([['k1', randomBytes(32)]]) }
}

async function signUp({ stranger }: House): Promise<Customer> {
  const digits = String(randomInt(1_000_000_000)).padStart(9, '0')
  const asked = {
    email: `c${digits}@example.com`,
    phoneNumber: `+1415${String(randomInt(2_000_000, 9_999_999))}`,
    password: `ten slow herons ${digits}`,
  }
  const { status, body } = await stranger.ask<{ userId: string }>('POST', '/v1/user', asked)
  assert.equal(status, 201)
  return { id: body.userId, ...asked }
}
