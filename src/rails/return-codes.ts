import type { Direction } from './rail.ts'

/**
 * `returns` says which of our instructions may come back with it: a debit, a credit, either, or
 * neither, because it belongs to checks, federal enrolment, cross-border entries or disputes
 * between banks. `meaning` is a sentence for the owner of the bank account.
 */
export type ReturnCode = Readonly<{ returns: Direction | 'either' | 'neither'; meaning: string }>

/** @see Nacha Operating Rules, Appendix Four, table of return reason codes */
const returnCodes = {
  R01: { returns: 'debit', meaning: 'The bank account does not have enough money.' },
  R02: { returns: 'either', meaning: 'The bank account is closed.' },
  R03: { returns: 'either', meaning: 'The bank finds no such account.' },
  R04: { returns: 'either', meaning: 'The account number cannot be one of this bank.' },
  R05: { returns: 'debit', meaning: 'A business debit of a personal account was not authorized.' },
  R06: { returns: 'either', meaning: 'Our bank asked for the money back.' },
  R07: { returns: 'debit', meaning: 'The account holder has withdrawn the authorization.' },
  R08: { returns: 'debit', meaning: 'The account holder has stopped this payment.' },
  R09: { returns: 'debit', meaning: 'The money in the bank account is not collected yet.' },
  R10: { returns: 'debit', meaning: 'The account holder did not authorize this.' },
  R11: { returns: 'debit', meaning: 'The amount or the date is not what was authorized.' },
  R12: { returns: 'either', meaning: 'The account has moved to another bank.' },
  R13: { returns: 'either', meaning: 'No bank takes transfers under this routing number.' },
  R14: { returns: 'either', meaning: 'The payee who represents the account holder has died.' },
  R15: { returns: 'either', meaning: 'The account holder has died.' },
  R16: { returns: 'either', meaning: 'The bank account is frozen.' },
  R17: { returns: 'either', meaning: 'The bank could not process the entry, or doubts it.' },
  R18: { returns: 'either', meaning: 'The date of the transfer was too far ahead.' },
  R19: { returns: 'either', meaning: 'The amount was not valid at the bank.' },
  R20: { returns: 'either', meaning: 'This kind of bank account takes no transfers.' },
  R21: { returns: 'either', meaning: 'The bank does not accept our company number.' },
  R22: { returns: 'either', meaning: 'The bank does not accept the customer number.' },
  R23: { returns: 'credit', meaning: 'The account holder refused the money.' },
  R24: { returns: 'either', meaning: 'The bank takes this for a duplicate.' },
  R25: { returns: 'either', meaning: 'The additional record of the transfer was faulty.' },
  R26: { returns: 'either', meaning: 'A required part of the transfer was missing.' },
  R27: { returns: 'either', meaning: 'The trace number of the transfer was faulty.' },
  R28: { returns: 'either', meaning: 'The check digit of the routing number was wrong.' },
  R29: { returns: 'debit', meaning: 'The business that holds the account did not authorize this.' },
  R30: { returns: 'neither', meaning: 'The bank takes no part in check truncation.' },
  R31: { returns: 'debit', meaning: 'The bank sent it back late, as our bank agreed to.' },
  R32: { returns: 'either', meaning: 'The bank cannot settle.' },
  R33: { returns: 'neither', meaning: 'The bank sent back an entry for a lost check.' },
  R34: { returns: 'either', meaning: 'A supervisor limits what the bank may take part in.' },
  R35: { returns: 'debit', meaning: 'This kind of bank account may not be debited.' },
  R36: { returns: 'credit', meaning: 'This kind of bank account may not be credited.' },
  R37: { returns: 'neither', meaning: 'The check behind the entry was paid as well.' },
  R38: { returns: 'neither', meaning: 'The check behind the entry was stopped.' },
  R39: { returns: 'neither', meaning: 'The check behind the entry was not a proper one.' },
  R40: { returns: 'neither', meaning: 'A federal agency sent back the enrolment.' },
  R41: { returns: 'neither', meaning: 'The enrolment has a wrong transaction code.' },
  R42: { returns: 'neither', meaning: 'The enrolment has a wrong routing number.' },
  R43: { returns: 'neither', meaning: 'The enrolment has a wrong account number.' },
  R44: { returns: 'neither', meaning: 'The enrolment has a wrong personal number.' },
  R45: { returns: 'neither', meaning: 'The enrolment has a wrong name.' },
  R46: { returns: 'neither', meaning: 'The enrolment has a wrong mark of a representative.' },
  R47: { returns: 'neither', meaning: 'The enrolment is a duplicate.' },
  R50: { returns: 'neither', meaning: 'State law limits entries for bounced checks.' },
  R51: { returns: 'neither', meaning: 'The bounced check may not be collected by an entry.' },
  R52: { returns: 'neither', meaning: 'The entry for a bounced check was stopped.' },
  R53: { returns: 'neither', meaning: 'The bounced check was collected as well.' },
  R61: { returns: 'neither', meaning: 'A return went to the wrong bank.' },
  R62: { returns: 'neither', meaning: 'A return after a reversal paid somebody twice.' },
  R67: { returns: 'neither', meaning: 'A return came twice.' },
  R68: { returns: 'neither', meaning: 'A return came too late.' },
  R69: { returns: 'neither', meaning: 'A return has wrong fields.' },
  R70: { returns: 'neither', meaning: 'A return was neither agreed nor asked for.' },
  R71: { returns: 'neither', meaning: 'A refusal of a return went to the wrong bank.' },
  R72: { returns: 'neither', meaning: 'A refusal of a return came too late.' },
  R73: { returns: 'neither', meaning: 'A refused return was in time.' },
  R74: { returns: 'neither', meaning: 'A refused return was corrected.' },
  R75: { returns: 'neither', meaning: 'A refused return was no duplicate.' },
  R76: { returns: 'neither', meaning: 'A refused return had no errors.' },
  R77: { returns: 'neither', meaning: 'A refusal after a reversal is not accepted.' },
  R80: { returns: 'neither', meaning: 'An international entry was wrongly coded.' },
  R81: { returns: 'neither', meaning: 'The bank takes no part in international entries.' },
  R82: { returns: 'neither', meaning: 'The foreign bank is not known by this number.' },
  R83: { returns: 'neither', meaning: 'The foreign bank cannot settle.' },
  R84: { returns: 'neither', meaning: 'The gateway did not process the international entry.' },
  R85: { returns: 'either', meaning: 'The transfer leaves the country and was not marked so.' },
} as const satisfies Readonly<Record<string, ReturnCode>>

const byCode: ReadonlyMap<string, ReturnCode> = new Map(Object.entries(returnCodes))

/** `null` for a code that is not in the table: banks also send such. */
export function findReturnCode(code: string): ReturnCode | null {
  return byCode.get(code) ?? null
}

/** Whether an instruction in this direction may come back with this code. */
export function mayReturn(code: string, direction: Direction): boolean {
  const returns = byCode.get(code)?.returns
  return returns === 'either' || returns === direction
}

/** A sentence that the owner of the bank account may read, for any code. */
export function returnMeaning(code: string): string {
  return byCode.get(code)?.meaning ?? 'The bank sent it back without a reason that we know.'
}
