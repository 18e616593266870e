import type { Scope } from '../scopes.ts'
import { after, AHEAD_MAX, MINUTE } from '../time.ts'
import type { Micros } from '../time.ts'
import type { Actor } from './actor.ts'

/**
 * Who asks, seen from what is asked for. `http` finds the role: `anyone` sent no token, `self` asks
 * for what is their own, `party` for a transaction that they sent or receive, and `stranger` is
 * signed in and asks for somebody else's. So do `support` and `operator`, who are staff; a service
 * that does the work of staff counts as `operator`.
 */
export const roles = ['anyone', 'stranger', 'party', 'self', 'support', 'operator'] as const
export type Role = (typeof roles)[number]

const yes = true
const no = false
const none = null

/**
 * A change to this table is a change of what a stranger may do: read it twice. `scope` is what the
 * app must have been given; of staff see `scopeFor`. `fresh` asks for a factor shown lately.
 */
// prettier-ignore
const table = {
  //                         anyone stranger party self support operator scope         fresh
  'user.create':           [ yes,   yes,   yes,  yes,  yes,   yes,   none,             no ],
  'session.create':        [ yes,   yes,   yes,  yes,  yes,   yes,   none,             no ],
  'session.refresh':       [ yes,   yes,   yes,  yes,  yes,   yes,   none,             no ],
  'session.step-up':       [ no,    no,    no,   yes,  no,    no,    none,             no ],
  'session.end':           [ no,    no,    no,   yes,  no,    no,    none,             no ],

  // A user in full; handle and name alone.
  'user.read':             [ no,    no,    no,   yes,  yes,   yes,   'user:read',      no ],
  'user.glance':           [ no,    yes,   yes,  yes,  yes,   yes,   'user:read',      no ],
  'user.change':           [ no,    no,    no,   yes,  no,    no,    'user:write',     no ],
  'contact.change':        [ no,    no,    no,   yes,  no,    no,    'user:write',     yes ],
  'contact.send':          [ no,    no,    no,   yes,  no,    no,    'user:write',     no ],
  'contact.confirm':       [ no,    no,    no,   yes,  no,    no,    'user:write',     no ],
  // Nobody thaws themselves.
  'user.freeze':           [ no,    no,    no,   no,   no,    yes,   'staff:write',    no ],
  'user.thaw':             [ no,    no,    no,   no,   no,    yes,   'staff:write',    no ],

  'account.link':          [ no,    no,    no,   yes,  no,    no,    'accounts:write', yes ],
  'account.unlink':        [ no,    no,    no,   yes,  no,    no,    'accounts:write', no ],
  'account.verify':        [ no,    no,    no,   yes,  no,    no,    'accounts:write', no ],
  'account.list':          [ no,    no,    no,   yes,  no,    no,    'accounts:read',  no ],

  // The second when it is `STEP_UP_CENTS` or more that leaves.
  'transaction.create':    [ no,    no,    no,   yes,  no,    no,    'payments:write', no ],
  'transaction.send-much': [ no,    no,    no,   yes,  no,    no,    'payments:write', yes ],
  'transaction.list':      [ no,    no,    no,   yes,  no,    no,    'payments:read',  no ],
  'transaction.read':      [ no,    no,    yes,  yes,  no,    no,    'payments:read',  no ],
  'transaction.confirm':   [ no,    no,    no,   yes,  no,    no,    'payments:write', no ],
  // Its route then asks for the scope of what it finds.
  'request.read':          [ no,    no,    no,   yes,  no,    no,    none,             no ],

  'keys.read':             [ yes,   yes,   yes,  yes,  yes,   yes,   none,             no ],
  'docs.read':             [ yes,   yes,   yes,  yes,  yes,   yes,   none,             no ],
  'health.read':           [ yes,   yes,   yes,  yes,  yes,   yes,   none,             no ],
  'mailbox.read':          [ yes,   yes,   yes,  yes,  yes,   yes,   none,             no ],
} as const satisfies Record<string, Row>

type May = boolean
type Row = readonly [
  ...grants: readonly [May, May, May, May, May, May],
  scope: Scope | null,
  fresh: boolean,
]

export type Action = keyof typeof table
export const actions = Object.keys(table) as readonly Action[]

/**
 * Whether the role may do it; nothing else decides. A route that names no action does not start.
 */
export function may(role: Role, action: Action): boolean {
  return table[action][roles.indexOf(role)] === yes
}

/** What the token must say for this role: staff act on others by the scopes of staff alone. */
export function scopeFor(role: Role, action: Action): Scope | null {
  const scope: Scope | null = table[action][roles.length]
  if (scope === null || (role !== 'support' && role !== 'operator')) return scope
  return scope.endsWith(':read') ? 'staff:read' : 'staff:write'
}

/** Whether it asks for a factor that was shown lately. */
export function mustBeFresh(action: Action): boolean {
  return table[action][roles.length + 1] === yes
}

/** How long a factor that was shown counts as fresh. */
export const FRESH_FOR = 10n * MINUTE

/**
 * Whether a factor was shown within ten minutes. Never for a service, and never when the issuer
 * does not say: when a token was made says nothing of it, for tokens are renewed by themselves.
 */
export function isFresh(actor: Actor, now: Micros): boolean {
  if (actor.kind === 'service' || actor.authenticatedAt === null) return false
  return isLately(actor.authenticatedAt, now)
}

/** Whether that was within ten minutes; a clock elsewhere may be a little ahead of ours. */
export function isLately(at: Micros, now: Micros): boolean {
  return at <= after(now, AHEAD_MAX) && now <= after(at, FRESH_FOR)
}

/** What one is to whom one is nobody: staff, or any stranger. */
export function roleAmongOthers(actor: Actor): 'stranger' | 'support' | 'operator' {
  if (actor.kind === 'service') {
    const works = actor.scopes.has('staff:read') || actor.scopes.has('staff:write')
    return works ? 'operator' : 'stranger'
  }
  if (actor.roles.includes('operator')) return 'operator'
  return actor.roles.includes('support') ? 'support' : 'stranger'
}
