import { resolve } from 'node:path'
import { StartRefused } from './errors.ts'
import { type AuthConfig, readAuth, unfitAuth } from './auth-config.ts'
import { type JobsConfig, readJobs } from './jobs-config.ts'
import { type CacheConfig, readCache } from './cache-config.ts'
import type { Money } from './money.ts'
import { proxiesIn } from './network.ts'
import type { Trusts } from './network.ts'
import { createReader, type Environment, type Reader } from './settings.ts'

type Tiered = Readonly<{ unverified: Money; verified: Money }>

/** Everything that may differ from one installation to another, checked and frozen. */
export type Config = Readonly<{
  environment: 'development' | 'production'
  /** Where the API listens; port 0 takes any that is free. */
  host: string
  port: number
  /** Where operators look, on the same host. */
  opsPort: number
  /** How the outside reaches the API: the audience of access tokens. */
  publicUrl: string
  /** Whose X-Forwarded-For counts. Null: whoever connects, if the outside is reached by https. */
  trustedProxies: Trusts | null
  /** Absolute. */
  dataDir: string
  /** Null: the embedded PostgreSQL. */
  databaseUrl: string | null
  /** Connections for reads and for flows that move no money. */
  poolMax: number
  /** Batches of payments under way at once, each on a connection of its own. */
  ledgerConnections: number
  statementTimeoutMs: number
  /** Server processes that share the port. Undefined: as many as the command finds right. */
  servers?: number
  jobs: JobsConfig
  /** Where keys come from: a file, the text itself, or in development null for generated ones. */
  keys: Readonly<{ file: string } | { json: string }> | null
  tokenTtlSeconds: number
  auth: AuthConfig
  cache: CacheConfig
  /** From here on, a payment asks for a factor that was shown lately. */
  stepUpThreshold: Money
  argon2: Readonly<{ memoryKiB: number; passes: number; parallelism: number }>
  /** Whether servers share the machine that passwords are hashed on. */
  hashing: 'shared' | 'alone'
  /** Requests per caller are bounded. */
  rateLimits: boolean
  /** Null: nobody's sending is limited. */
  limits: Readonly<{ send: Tiered; cashOut: Tiered; bankTransfer: Money }> | null
  verificationThreshold: Money
  rail: 'sandbox' | 'none'
  sandboxSettleMs: number
  /** Null: messages go to the development mailbox. */
  smtpUrl: string | null
  mailFrom: string
  /** Null: text messages fail, and phone numbers cannot be proven. */
  sms: Readonly<{ url: string; token: string }> | null
}>

/**
 * Variables of ours with a name that a slip of the pen could miss: others like them are refused.
 */
const ownVariables: ReadonlySet<string> = new Set([
  'FARTHING_ENV',
  'FARTHING_KEYS',
  'FARTHING_TEST_SERVER',
])

const DAY_MS = 86_400_000

/**
 * Reads the configuration from environment variables. An empty one counts as missing.
 *
 * @throws StartRefused naming every problem at once.
 */
export function readConfig(environment: Environment): Config {
  const problems: string[] = []
  const read = createReader(environment, problems)
  const mode = read.choice('FARTHING_ENV', ['development', 'production'], 'development')
  const production = mode === 'production'
  const port = read.integer('PORT', { from: 0, to: 65_535, unset: 8080 })
  const publicUrl = read.url('PUBLIC_URL', ['http:', 'https:']) ?? `http://localhost:${port}`
  const config: Config = Object.freeze({
    environment: mode,
    // The development routes show every code that was sent: they are for this machine only.
    host: read.text('HOST') ?? (production ? '0.0.0.0' : '127.0.0.1'),
    port,
    opsPort: read.integer('OPS_PORT', { from: 0, to: 65_535, unset: 9090 }),
    publicUrl,
    trustedProxies: readProxies(read, problems),
    dataDir: resolve(read.text('DATA_DIR') ?? '.farthing'),
    databaseUrl: read.url('DATABASE_URL', ['postgres:', 'postgresql:']),
    poolMax: read.integer('POOL_MAX', { from: 2, to: 200, unset: 10 }),
    ledgerConnections: read.integer('LEDGER_CONNECTIONS', { from: 1, to: 16, unset: 2 }),
    statementTimeoutMs: read.integer('STATEMENT_TIMEOUT_MS', {
      from: 100,
      to: 60_000,
      unset: 5_000,
    }),
    ...readServers(read),
    jobs: readJobs(read, problems),
    keys: readKeySource(read, problems),
    tokenTtlSeconds: read.integer('TOKEN_TTL_SECONDS', { from: 30, to: 3_600, unset: 300 }),
    cache: readCache(read, problems),
    auth: readAuth(read, publicUrl, problems),
    stepUpThreshold: read.cents('STEP_UP_CENTS', 100_000n),
    argon2: readArgon2(read),
    hashing: read.choice('HASHING', ['shared', 'alone'], 'shared'),
    rateLimits: read.choice('RATE_LIMITS', ['on', 'off'], 'on') === 'on',
    limits: readLimits(read),
    verificationThreshold: read.cents('VERIFICATION_THRESHOLD_CENTS', 50_000n),
    rail: read.choice('BANK_RAIL', ['sandbox', 'none'], production ? 'none' : 'sandbox'),
    sandboxSettleMs: read.integer('SANDBOX_SETTLE_MS', { from: 0, to: 30 * DAY_MS, unset: 2_000 }),
    smtpUrl: read.url('SMTP_URL', ['smtp:', 'smtps:']),
    mailFrom: read.text('MAIL_FROM') ?? 'Farthing <no-reply@localhost>',
    sms: readSms(read, problems),
  })
  problems.push(...sharedPorts(config))
  if (production) problems.push(...unfitForProduction(config))
  problems.push(...strangers(environment))
  if (problems.length > 0) {
    throw new StartRefused(`The configuration is not right: ${problems.join('; ')}.`)
  }
  return config
}

function readProxies(read: Reader, problems: string[]): Trusts | null {
  const text = read.text('TRUSTED_PROXIES')
  const trusts = text === null ? null : proxiesIn(text)
  if (text !== null && trusts === null) {
    problems.push('TRUSTED_PROXIES must list addresses or networks, as 10.0.0.7,10.0.1.0/24')
  }
  return trusts
}

/** Which connections are those of a proxy, where the outside reaches us by that address. */
export function trustsOf({ trustedProxies }: Config, outside: string): Trusts {
  return trustedProxies ?? (() => outside.startsWith('https:'))
}

function readKeySource(read: Reader, problems: string[]): Config['keys'] {
  const file = read.text('KEYS_FILE')
  const json = read.text('FARTHING_KEYS')
  if (file !== null && json !== null) {
    problems.push('KEYS_FILE and FARTHING_KEYS are both set: keep one')
  }
  if (file !== null) return { file: resolve(file) }
  return json === null ? null : { json }
}

function readSms(read: Reader, problems: string[]): Config['sms'] {
  const url = read.url('SMS_URL', ['https:'])
  const token = read.text('SMS_TOKEN')
  if ((url === null) !== (token === null)) problems.push('SMS_URL and SMS_TOKEN go together')
  return url !== null && token !== null ? { url, token } : null
}

function readServers(read: Reader): Pick<Config, 'servers'> {
  if (read.text('SERVERS') === null) return {}
  return { servers: read.integer('SERVERS', { from: 1, to: 64, unset: 1 }) }
}

/** The defaults are OWASP's first choice for argon2id. */
function readArgon2(read: Reader): Config['argon2'] {
  return {
    memoryKiB: read.integer('ARGON2_MEMORY_KIB', { from: 64, to: 1_048_576, unset: 19_456 }),
    passes: read.integer('ARGON2_PASSES', { from: 1, to: 100, unset: 2 }),
    parallelism: 1,
  }
}

function readLimits(read: Reader): Config['limits'] {
  const rules = {
    send: {
      unverified: read.cents('LIMIT_SEND_UNVERIFIED_CENTS', 29_999n),
      verified: read.cents('LIMIT_SEND_VERIFIED_CENTS', 700_000n),
    },
    cashOut: {
      unverified: read.cents('LIMIT_CASH_OUT_UNVERIFIED_CENTS', 99_999n),
      verified: read.cents('LIMIT_CASH_OUT_VERIFIED_CENTS', 1_999_999n),
    },
    bankTransfer: read.cents('LIMIT_BANK_TRANSFER_CENTS', 500_000n),
  }
  return read.choice('LIMITS', ['on', 'off'], 'on') === 'on' ? rules : null
}

function unfitForProduction(config: Config): string[] {
  const rules: readonly (readonly [unfit: boolean, problem: string])[] = [
    [config.keys === null, 'production needs keys of its own: set KEYS_FILE or FARTHING_KEYS'],
    [config.databaseUrl === null, 'production keeps its books on a server: set DATABASE_URL'],
    [!config.rateLimits, 'RATE_LIMITS=off is for development only'],
    [config.limits === null, 'LIMITS=off is for development only'],
    [config.rail === 'sandbox', 'BANK_RAIL=sandbox is for development only'],
    [config.smtpUrl === null, 'production has no mailbox to show messages in: set SMTP_URL'],
    [config.mailFrom.includes('@localhost'), 'MAIL_FROM must be an address that people can see'],
    [!config.publicUrl.startsWith('https://'), 'PUBLIC_URL must start with https:// in production'],
    [
      config.argon2.memoryKiB < 19_456 || config.argon2.passes < 2,
      'ARGON2_MEMORY_KIB below 19456 or ARGON2_PASSES below 2 is for development only',
    ],
  ]
  const unfit = rules.filter(([unfit]) => unfit).map(([, problem]) => problem)
  return [...unfit, ...unfitAuth(config.auth)]
}

function sharedPorts({ port, opsPort, auth }: Config): string[] {
  const ports = [
    ['PORT', port],
    ['OPS_PORT', opsPort],
    ['AUTH_PORT', auth.port],
  ] as const
  return ports.flatMap(([name, port], index) => {
    const other = ports.slice(0, index).find(([, taken]) => port > 0 && taken === port)
    return other ? `${other[0]} and ${name} are both ${port}: they need one each` : []
  })
}

/** FARTHING_ENVIRONMENT=production, say, must not quietly run as development. */
function strangers(environment: Environment): string[] {
  return Object.keys(environment)
    .filter((name) => name.startsWith('FARTHING_') && !ownVariables.has(name))
    .map((name) => `there is no setting ${name}`)
}
