import type { ErrorCode } from './errors.ts'

/** `sentence` is for people: no codes, no technical words, and what to do if something can be. */
export type Row = Readonly<{ status: number; title: string; sentence: string }>

/** A code without a row does not compile. docs/errors.md tells developers what to do about each. */
export const problems: Readonly<Record<ErrorCode, Row>> = {
  account_frozen: {
    status: 403,
    title: 'Account frozen',
    sentence: 'Your account is frozen. Please contact support.',
  },
  action_forbidden: {
    status: 403,
    title: 'Not allowed',
    sentence: 'You are not allowed to do this.',
  },
  amount_invalid: {
    status: 422,
    title: 'Amount invalid',
    sentence: 'Please enter an amount in dollars and cents, from $0.01 to $99,999,999.99.',
  },
  auth_unavailable: {
    status: 503,
    title: 'Sign-in unavailable',
    sentence: 'Signing in and up does not work right now. Please try again in a moment.',
  },
  bank_account_duplicate: {
    status: 409,
    title: 'Bank account already linked',
    sentence: 'This bank account is already linked.',
  },
  bank_account_limit: {
    status: 422,
    title: 'Too many bank accounts',
    sentence: 'You have linked too many bank accounts. Unlink one, or try again tomorrow.',
  },
  bank_account_locked: {
    status: 409,
    title: 'Bank account locked',
    sentence:
      'The amounts were wrong too often. Unlink this bank account; you can link it again after 30 days.',
  },
  bank_account_not_pending: {
    status: 409,
    title: 'Bank account does not wait for verification',
    sentence: 'This bank account does not need to be verified.',
  },
  bank_account_not_verified: {
    status: 403,
    title: 'Bank account not verified',
    sentence: 'Please verify this bank account first.',
  },
  bank_account_unknown: {
    status: 404,
    title: 'No such bank account',
    sentence: 'We cannot find this bank account.',
  },
  bank_number_limit: {
    status: 409,
    title: 'Bank account linked by too many',
    sentence: 'This bank account was linked too often lately. Please contact support.',
  },
  body_too_large: { status: 413, title: 'Body too large', sentence: 'The request is too large.' },
  code_expired: {
    status: 422,
    title: 'Code expired',
    sentence: 'This code can no longer be used. Please ask for a new one.',
  },
  code_wrong: {
    status: 422,
    title: 'Code wrong',
    sentence: 'This code is not right. Please check it and try again.',
  },
  contact_invalid: {
    status: 422,
    title: 'Contact invalid',
    sentence: 'Please check the e-mail address, phone number or handle.',
  },
  contact_missing: {
    status: 409,
    title: 'Contact missing',
    sentence: 'Please add an e-mail address or phone number to your profile first.',
  },
  contact_taken: {
    status: 409,
    title: 'Contact taken',
    sentence: 'Someone already uses this e-mail address, phone number or handle.',
  },
  contact_verified: {
    status: 409,
    title: 'Contact already verified',
    sentence: 'This is already verified.',
  },
  credentials_invalid: {
    status: 401,
    title: 'Credentials invalid',
    sentence: 'The login or the password is wrong.',
  },
  cursor_invalid: {
    status: 400,
    title: 'Cursor invalid',
    sentence: 'This page cannot be found. Please start from the first one.',
  },
  database_unavailable: {
    status: 503,
    title: 'Database unavailable',
    sentence: 'We cannot do this right now. Please try again in a moment.',
  },
  directory_unavailable: {
    status: 503,
    title: 'Directory unavailable',
    sentence: 'Signing in and up does not work right now. Please try again in a moment.',
  },
  factor_unknown: {
    status: 404,
    title: 'No such factor',
    sentence: 'We cannot find this sign-in method.',
  },
  form_ambiguous: {
    status: 422,
    title: 'Form ambiguous',
    sentence:
      'Please change one thing at a time: the profile, or link a bank account, or unlink one.',
  },
  headers_too_large: {
    status: 431,
    title: 'Headers too large',
    sentence: 'The request is too large.',
  },
  idempotency_key_invalid: {
    status: 400,
    title: 'Idempotency key invalid',
    sentence: 'The request could not be understood.',
  },
  idempotency_key_reused: {
    status: 422,
    title: 'Idempotency key used for another request',
    sentence: 'This was already used for something else. Please start again.',
  },
  issuer_unavailable: {
    status: 503,
    title: 'Issuer unavailable',
    sentence: 'Your sign-in cannot be checked right now. Please try again in a moment.',
  },
  json_invalid: {
    status: 400,
    title: 'Body is not the JSON we take',
    sentence: 'The request could not be understood.',
  },
  media_type_unsupported: {
    status: 415,
    title: 'Media type unsupported',
    sentence: 'The request could not be understood.',
  },
  method_not_allowed: {
    status: 405,
    title: 'Method not allowed',
    sentence: 'This cannot be done here.',
  },
  micro_amounts_wrong: {
    status: 422,
    title: 'Amounts wrong',
    sentence: 'These are not the two amounts we sent. Please check your bank statement.',
  },
  micro_entries_not_sent: {
    status: 409,
    title: 'Amounts not sent yet',
    sentence: 'The two small amounts are still on their way to your bank.',
  },
  not_yours: { status: 403, title: 'Not yours', sentence: 'This belongs to someone else.' },
  outcome_unknown: {
    status: 503,
    title: 'Outcome unknown',
    sentence:
      'We cannot tell yet whether this was done. Please look whether it was before you do it again.',
  },
  overloaded: {
    status: 429,
    title: 'Overloaded',
    sentence: 'We are very busy right now. Please try again in a moment.',
  },
  parties_equal: {
    status: 422,
    title: 'Both parties are the same',
    sentence: 'You cannot pay yourself.',
  },
  password_expired: {
    status: 403,
    title: 'Password expired',
    sentence: 'Your password has expired. Please choose a new one.',
  },
  password_managed: {
    status: 409,
    title: 'Password managed elsewhere',
    sentence: 'Your password is kept by another service. Please change it there.',
  },
  passkey_refused: {
    status: 422,
    title: 'Passkey refused',
    sentence: 'This passkey could not be used. Please try again.',
  },
  password_refused: {
    status: 422,
    title: 'Password refused',
    sentence: 'Please choose another password: at least 8 characters, and not a common one.',
  },
  rail_unavailable: {
    status: 503,
    title: 'Bank connection unavailable',
    sentence: 'We cannot reach the bank right now. Please try again later.',
  },
  rate_limited: {
    status: 429,
    title: 'Too many requests',
    sentence: 'That was a little too often. Please wait a moment and try again.',
  },
  refresh_token_invalid: {
    status: 401,
    title: 'Refresh token invalid',
    sentence: 'Your session has ended. Please sign in again.',
  },
  request_in_progress: {
    status: 409,
    title: 'Request in progress',
    sentence: 'This is still being done. Please try again in a moment.',
  },
  request_invalid: {
    status: 400,
    title: 'Request invalid',
    sentence: 'Please check what you entered.',
  },
  request_timeout: {
    status: 408,
    title: 'Request took too long to arrive',
    sentence: 'The connection is too slow. Please try again.',
  },
  request_unknown: {
    status: 404,
    title: 'No such request',
    sentence: 'Nothing has happened under this key yet.',
  },
  route_unknown: { status: 404, title: 'No such route', sentence: 'There is nothing here.' },
  routing_number_invalid: {
    status: 422,
    title: 'Routing number invalid',
    sentence: 'This routing number does not exist. Please check it.',
  },
  scope_insufficient: {
    status: 403,
    title: 'Scope insufficient',
    sentence: 'This app may not do that for you.',
  },
  second_factor_required: {
    status: 401,
    title: 'Second factor required',
    sentence: 'Please also enter the code of your authenticator app.',
  },
  step_up_required: {
    status: 401,
    title: 'Fresh sign-in required',
    sentence: 'Please confirm that it is you.',
  },
  session_unknown: {
    status: 404,
    title: 'No such session',
    sentence: 'This session has ended already.',
  },
  stopping: {
    status: 503,
    title: 'Stopping',
    sentence: 'We cannot do this right now. Please try again in a moment.',
  },
  storage_full: {
    status: 503,
    title: 'Storage full',
    sentence: 'We cannot do this right now. Please try again later.',
  },
  token_invalid: { status: 401, title: 'Access token invalid', sentence: 'Please sign in again.' },
  transaction_date_invalid: {
    status: 422,
    title: 'Transaction date invalid',
    sentence: 'The date must lie within 24 hours of now.',
  },
  transaction_not_waiting: {
    status: 409,
    title: 'Transaction does not wait',
    sentence: 'This payment does not wait for a code.',
  },
  transaction_unknown: {
    status: 404,
    title: 'No such transaction',
    sentence: 'We cannot find this payment.',
  },
  unauthenticated: { status: 401, title: 'Not signed in', sentence: 'Please sign in.' },
  user_unknown: { status: 404, title: 'No such user', sentence: 'We cannot find this person.' },
}

/** What a bug looks like from outside: nothing but the request's id leaves. */
export const bug: Row = {
  status: 500,
  title: 'Internal error',
  sentence:
    'Something went wrong on our side. If it happens again, please tell support the request id.',
}
