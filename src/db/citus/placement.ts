/**
 * Where the rows of each table lie on a Citus cluster. `user` holds all that belongs to one user,
 * or one account of the books, on one worker: those tables share their shards. `value` spreads a
 * table by a key that belongs to nobody in particular. `local` stays on the coordinator.
 */
export type Placement =
  Readonly<{ by: string; among: 'user' | 'value' }> | Readonly<{ by: null; among: 'local' }>

const user = (by: string): Placement => ({ by, among: 'user' })
const value = (by: string): Placement => ({ by, among: 'value' })
const local: Placement = { by: null, among: 'local' }

/** The table that the others of a user lie beside. */
export const FIRST = 'account'

/** Every table there is; test/citus/placement.test.ts fails when one is missing here. */
export const placements: Readonly<Record<string, Placement>> = {
  [FIRST]: user('account_id'),
  app_user: user('user_id'),
  auth_event: user('user_id'),
  auth_ticket: value('digest'),
  bank_account: user('user_id'),
  bank_number: value('number_digest'),
  cache_epoch: local,
  code_budget: user('payer_id'),
  contact_code: user('user_id'),
  credential: user('user_id'),
  directory_account: user('user_id'),
  entry: user('account_id'),
  factor_reset: user('user_id'),
  identity: value('subject'),
  login_name: value('value'),
  message: user('user_id'),
  // One statement counts rows of several names. In one place it locks them in their order.
  meter: local,
  migration: local,
  oidc_payload: value('id'),
  passkey: user('user_id'),
  payee: user('user_id'),
  recovery_code: user('user_id'),
  refresh_token: user('user_id'),
  request: user('user_id'),
  // Each server reads all that is new in it several times a second.
  revocation: local,
  sandbox_transfer: value('instruction_id'),
  session: user('user_id'),
  signed_out: user('user_id'),
  totp: user('user_id'),
  transaction: user('payer_id'),
  user_role: user('user_id'),
  verification: user('payer_id'),
}
