/**
 * Every refusal that a caller can meet. `http/problems.ts` gives each a status and a sentence,
 * docs/errors.md tells what to do about it, and a test holds the three together.
 */
export const errorCodes = [
  'account_frozen',
  'action_forbidden',
  'amount_invalid',
  'auth_unavailable',
  'bank_account_duplicate',
  'bank_account_limit',
  'bank_account_locked',
  'bank_account_not_pending',
  'bank_account_not_verified',
  'bank_account_unknown',
  'bank_number_limit',
  'body_too_large',
  'code_expired',
  'code_wrong',
  'contact_invalid',
  'contact_missing',
  'contact_taken',
  'contact_verified',
  'credentials_invalid',
  'cursor_invalid',
  'database_unavailable',
  'directory_unavailable',
  'factor_unknown',
  'form_ambiguous',
  'headers_too_large',
  'idempotency_key_invalid',
  'idempotency_key_reused',
  'issuer_unavailable',
  'json_invalid',
  'media_type_unsupported',
  'method_not_allowed',
  'micro_amounts_wrong',
  'micro_entries_not_sent',
  'not_yours',
  'outcome_unknown',
  'overloaded',
  'parties_equal',
  'passkey_refused',
  'password_expired',
  'password_managed',
  'password_refused',
  'rail_unavailable',
  'rate_limited',
  'refresh_token_invalid',
  'request_in_progress',
  'request_invalid',
  'request_timeout',
  'request_unknown',
  'route_unknown',
  'routing_number_invalid',
  'scope_insufficient',
  'second_factor_required',
  'session_unknown',
  'step_up_required',
  'stopping',
  'storage_full',
  'token_invalid',
  'transaction_date_invalid',
  'transaction_not_waiting',
  'transaction_unknown',
  'unauthenticated',
  'user_unknown',
] as const

export type ErrorCode = (typeof errorCodes)[number]

/** Details of a refusal that the caller may see. Never a secret, never another person's data. */
export type Facts = Readonly<Record<string, unknown>>

/** A refusal that the caller can understand and act on. Whatever else is thrown is a bug. */
export class AppError extends Error {
  readonly code: ErrorCode
  readonly facts: Facts

  constructor(code: ErrorCode, facts: Facts = {}, options?: ErrorOptions) {
    super(code, options)
    this.name = 'AppError'
    this.code = code
    this.facts = facts
  }
}

/**
 * A start that must not go on. The message is one sentence or two for the operator: what, and what
 * to do.
 */
export class StartRefused extends Error {
  override readonly name: string = 'StartRefused'
}
