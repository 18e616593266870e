import { ResultCodeError } from 'ldapts'
import { AppError } from '../../../errors.ts'
import type { Verdict } from '../../directory.ts'

/** RFC 4511 section 4.1.9. */
export const ldapCodes = {
  timeLimitExceeded: 3,
  constraintViolation: 19,
  noSuchObject: 32,
  invalidCredentials: 49,
  insufficientAccessRights: 50,
  busy: 51,
  unavailable: 52,
  unwillingToPerform: 53,
} as const

/** A server says with these that it cannot serve now, not that the question is wrong. */
const passing: readonly number[] = [
  ldapCodes.timeLimitExceeded,
  ldapCodes.busy,
  ldapCodes.unavailable,
]

/** Windows' own error codes, in the text of an answer. [MS-ERREF] section 2.2. */
const PASSWORD_RESTRICTION = '52d'
const INVALID_PASSWORD = '56'

/** What a refused bind says beside that the name or the password is wrong. */
const bindVerdicts: Readonly<Record<string, Exclude<Verdict, 'right'>>> = {
  // Not at this hour, not from this machine.
  '530': 'disabled',
  '531': 'disabled',
  '532': 'expired',
  '533': 'disabled',
  '701': 'disabled',
  '773': 'expired',
  '775': 'locked',
}

/**
 * An answer other than success. Of the server's text it keeps Windows' code alone: the rest may
 * quote what was sent.
 */
export class LdapRefused extends Error {
  readonly result: number
  /** Lower-case hexadecimal digits without leading zeros; empty when the text has none. */
  readonly windows: string

  constructor(operation: string, { code, message }: ResultCodeError) {
    const windows = windowsCode(message)
    super(`the domain refused to ${operation}: LDAP result ${code}, Windows ${windows || 'none'}`)
    this.name = 'LdapRefused'
    this.result = code
    this.windows = windows
  }
}

/**
 * What a call to a server comes to.
 *
 * @throws LdapRefused for an answer that is a refusal, AppError `directory_unavailable` when there
 * is none, or the server is not able to give one now.
 */
export async function answered<T>(operation: string, call: Promise<T>): Promise<T> {
  try {
    return await call
  } catch (error) {
    if (error instanceof ResultCodeError && !passing.includes(error.code)) {
      throw new LdapRefused(operation, error)
    }
    if (error instanceof TypeError || error instanceof RangeError) throw error
    throw new AppError('directory_unavailable', {}, { cause: error })
  }
}

export function isAway(error: unknown): boolean {
  return error instanceof AppError && error.code === 'directory_unavailable'
}

/** @throws the error, when it is no refusal of a name and its password. */
export function verdictOfBind(error: unknown): Exclude<Verdict, 'right'> {
  if (!(error instanceof LdapRefused) || error.result !== ldapCodes.invalidCredentials) throw error
  return bindVerdicts[error.windows] ?? 'wrong'
}

/** Windows answers with either result, by the way in which the password comes. */
export function isAgainstPolicy(error: unknown): boolean {
  const { constraintViolation, unwillingToPerform } = ldapCodes
  if (!(error instanceof LdapRefused) || error.windows !== PASSWORD_RESTRICTION) return false
  return error.result === constraintViolation || error.result === unwillingToPerform
}

export function isWrongBefore(error: unknown): boolean {
  return error instanceof LdapRefused && error.windows === INVALID_PASSWORD
}

/** `AcceptSecurityContext error, data 52e` of a bind, or `0000052D: …` of anything else. */
function windowsCode(text: string): string {
  const ofBind = /AcceptSecurityContext error, data ([0-9a-f]{1,8})\b/i.exec(text)
  const found = ofBind ?? /^([0-9a-f]{8}):/i.exec(text)
  return found?.[1]?.toLowerCase().replace(/^0+/, '') ?? ''
}
