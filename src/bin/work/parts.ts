import { createFreezeNotes, createRecorder } from '../../auth/guard/record.ts'
import { PAIRS_PER_NUMBER } from '../../banks/link.ts'
import type { Config } from '../../config.ts'
import { connectLedger, openPool, type Pool } from '../../db/pool.ts'
import type { FunctionParts } from '../../functions/event.ts'
import type { Keys } from '../../keys.ts'
import { createLedger } from '../../ledger/ledger.ts'
import type { Deliver } from '../../messages/deliver.ts'
import { mailboxDelivery } from '../../messages/mailbox.ts'
import { noSms, smsGateway } from '../../messages/sms.ts'
import { smtpDelivery } from '../../messages/smtp.ts'
import { auditBooks, printFinding } from '../../ops/audit.ts'
import type { PaymentParts } from '../../payments/parts.ts'
import { createPassengers } from '../../payments/ride/passengers.ts'
import { createSandboxBank } from '../../rails/bank/sandbox.ts'
import { noRail } from '../../rails/no-rail.ts'
import type { Rail } from '../../rails/rail.ts'
import type { Clock } from '../../time.ts'

/** Who asks what became of a lost commit waits so long for its accounts. A batch says itself. */
const LEDGER_LOCK_TIMEOUT_MS = 4_000
const AUDIT_TIMEOUT_MS = 600_000

/** What the configuration says, and what it is built on. */
export type Site = Readonly<{ config: Config; keys: Keys; url: string }>

/** What the hall is built of. The ledger connects when it has something to post. */
export function buildPaymentParts(
  site: Site,
  { pool, fence, clock }: Pick<PaymentParts, 'pool' | 'fence' | 'clock'>,
): PaymentParts {
  const { config, keys, url } = site
  const ledger = createLedger({
    connect: async () =>
      await connectLedger({
        url,
        statementTimeoutMs: config.statementTimeoutMs,
        lockTimeoutMs: LEDGER_LOCK_TIMEOUT_MS,
        applicationName: 'farthing ledger',
      }),
    passengers: createPassengers(config.limits),
    fence,
    clock,
    lanes: config.ledgerConnections,
  })
  const { digestKey, sealKeys } = keys
  const bankRules =
    config.rail === 'sandbox'
      ? ({ routingRanges: 'any', pairsPerNumber: null } as const)
      : ({ routingRanges: 'banks', pairsPerNumber: PAIRS_PER_NUMBER } as const)
  return {
    pool,
    ledger,
    fence,
    clock,
    rail: buildRail(site, pool, clock),
    banks: { sealKeys, digestKey, ...bankRules },
    digestKey,
    limits: config.limits,
    verificationThreshold: config.verificationThreshold,
    stepUpThreshold: config.stepUpThreshold,
    noteFrozen: createFreezeNotes(createRecorder(pool, clock)),
  }
}

function buildRail({ config, keys }: Site, pool: Pool, clock: Clock): Rail {
  if (config.rail === 'none') return noRail
  const { sandboxSettleMs: settleMs } = config
  return createSandboxBank({ db: pool, clock, settleMs, key: keys.digestKey })
}

/** What the functions are built of, wherever they run. */
export function buildFunctionParts(site: Site, payments: PaymentParts): FunctionParts {
  return {
    payments,
    deliver: buildDelivery(site.config, payments.pool, payments.clock),
    audit: async () => await auditOrFail(site.url),
    authUrl: site.config.auth.url,
  }
}

function buildDelivery({ smtpUrl, mailFrom, sms }: Config, pool: Pool, clock: Clock): Deliver {
  if (smtpUrl === null) return mailboxDelivery(pool, clock)
  return smtpDelivery(smtpUrl, mailFrom, sms ? smsGateway(sms.url, sms.token) : noSms)
}

/** On connections of its own: it may read for minutes. */
export function openAuditPool(url: string): Pool {
  return openPool({
    url,
    max: 2,
    statementTimeoutMs: AUDIT_TIMEOUT_MS,
    applicationName: 'farthing audit',
  })
}

async function auditOrFail(url: string): Promise<void> {
  const pool = openAuditPool(url)
  try {
    const wrong = (await auditBooks(pool)).filter(({ offences }) => offences.length > 0)
    if (wrong.length > 0) throw new Error(wrong.map(printFinding).join('\n'))
  } finally {
    await pool.end()
  }
}
