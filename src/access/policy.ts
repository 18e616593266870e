/**
 * Who asks, seen from what is asked for. `http` finds the role: `anyone` sent no token, `self` asks
 * for what is their own, `party` for a transaction that they sent or receive, and `stranger` is
 * signed in and asks for somebody else's.
 */
export const roles = ['anyone', 'stranger', 'party', 'self'] as const
export type Role = (typeof roles)[number]

const yes = true
const no = false

/** A change to this table is a change of what a stranger may do: read it twice. */
// prettier-ignore
const table = {
  //                       anyone  stranger party  self
  'user.create':         [ yes,    yes,     yes,   yes ], // POST /v1/user
  'session.create':      [ yes,    yes,     yes,   yes ], // POST /v1/session
  'session.refresh':     [ yes,    yes,     yes,   yes ], // POST /v1/session/refresh
  'session.step-up':     [ no,     no,      no,    yes ], // POST /v1/session/step-up
  'session.end':         [ no,     no,      no,    yes ], // DELETE /v1/session

  'user.read':           [ no,     no,      no,    yes ], // GET /v1/user/{id}, in full
  'user.glance':         [ no,     yes,     yes,   yes ], // GET /v1/user/{id}, handle and name
  'user.change':         [ no,     no,      no,    yes ], // PUT /v1/user/{id}
  'contact.send':        [ no,     no,      no,    yes ], // POST …/contacts/{channel}/code
  'contact.confirm':     [ no,     no,      no,    yes ], // POST …/contacts/{channel}/verify

  'account.link':        [ no,     no,      no,    yes ], // POST …/accounts, PUT /v1/user/{id}
  'account.unlink':      [ no,     no,      no,    yes ], // DELETE …/accounts/{bankId}, and so on
  'account.verify':      [ no,     no,      no,    yes ], // POST …/accounts/{bankId}/verify
  'account.list':        [ no,     no,      no,    yes ], // GET /v1/bankAccounts/{userId}

  'transaction.create':  [ no,     no,      no,    yes ], // POST /v1/transaction
  'transaction.list':    [ no,     no,      no,    yes ], // GET /v1/transactions/{userId}
  'transaction.read':    [ no,     no,      yes,   yes ], // GET /v1/transaction/{id}
  'transaction.confirm': [ no,     no,      no,    yes ], // POST /v1/transaction/{id}/verify
  'request.read':        [ no,     no,      no,    yes ], // GET /v1/request/{idempotencyKey}

  'keys.read':           [ yes,    yes,     yes,   yes ], // GET /.well-known/jwks.json
  'docs.read':           [ yes,    yes,     yes,   yes ], // GET /openapi.json, /docs
  'health.read':         [ yes,    yes,     yes,   yes ], // GET /healthz, /readyz
  'mailbox.read':        [ yes,    yes,     yes,   yes ], // GET /dev/mailbox, in development only
} as const satisfies Record<string, readonly [boolean, boolean, boolean, boolean]>

export type Action = keyof typeof table
export const actions = Object.keys(table) as readonly Action[]

/**
 * Whether the role may do it; nothing else decides. A route that names no action does not start.
 */
export function may(role: Role, action: Action): boolean {
  return table[action][roles.indexOf(role)] === yes
}
