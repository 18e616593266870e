import type { Direction } from './rail.ts'

/** Which of our instructions may come back with a code. */
type Returns = Direction | 'either' | 'neither'

/**
 * Why banks send an instruction back. Codes that return neither belong to checks, federal
 * enrolment, cross-border entries or disputes between banks.
 *
 * @see Nacha Operating Rules, Appendix Four, table of return reason codes
 */
const returnCodes: ReadonlyMap<string, Returns> = new Map(
  Object.entries({
    R01: 'debit', // The bank account does not have enough money.
    R02: 'either', // The bank account is closed.
    R03: 'either', // The bank finds no such account.
    R04: 'either', // The account number cannot be one of this bank.
    R05: 'debit', // A business debit of a personal account was not authorized.
    R06: 'either', // Our bank asked for the money back.
    R07: 'debit', // The account holder has withdrawn the authorization.
    R08: 'debit', // The account holder has stopped this payment.
    R09: 'debit', // The money in the bank account is not collected yet.
    R10: 'debit', // The account holder did not authorize this.
    R11: 'debit', // The amount or the date is not what was authorized.
    R12: 'either', // The account has moved to another bank.
    R13: 'either', // No bank takes transfers under this routing number.
    R14: 'either', // The payee who represents the account holder has died.
    R15: 'either', // The account holder has died.
    R16: 'either', // The bank account is frozen.
    R17: 'either', // The bank could not process the entry, or doubts it.
    R18: 'either', // The date of the transfer was too far ahead.
    R19: 'either', // The amount was not valid at the bank.
    R20: 'either', // This kind of bank account takes no transfers.
    R21: 'either', // The bank does not accept our company number.
    R22: 'either', // The bank does not accept the customer number.
    R23: 'credit', // The account holder refused the money.
    R24: 'either', // The bank takes this for a duplicate.
    R25: 'either', // The additional record of the transfer was faulty.
    R26: 'either', // A required part of the transfer was missing.
    R27: 'either', // The trace number of the transfer was faulty.
    R28: 'either', // The check digit of the routing number was wrong.
    R29: 'debit', // The business that holds the account did not authorize this.
    R30: 'neither', // The bank takes no part in check truncation.
    R31: 'debit', // The bank sent it back late, as our bank agreed to.
    R32: 'either', // The bank cannot settle.
    R33: 'neither', // The bank sent back an entry for a lost check.
    R34: 'either', // A supervisor limits what the bank may take part in.
    R35: 'debit', // This kind of bank account may not be debited.
    R36: 'credit', // This kind of bank account may not be credited.
    R37: 'neither', // The check behind the entry was paid as well.
    R38: 'neither', // The check behind the entry was stopped.
    R39: 'neither', // The check behind the entry was not a proper one.
    R40: 'neither', // A federal agency sent back the enrolment.
    R41: 'neither', // The enrolment has a wrong transaction code.
    R42: 'neither', // The enrolment has a wrong routing number.
    R43: 'neither', // The enrolment has a wrong account number.
    R44: 'neither', // The enrolment has a wrong personal number.
    R45: 'neither', // The enrolment has a wrong name.
    R46: 'neither', // The enrolment has a wrong mark of a representative.
    R47: 'neither', // The enrolment is a duplicate.
    R50: 'neither', // State law limits entries for bounced checks.
    R51: 'neither', // The bounced check may not be collected by an entry.
    R52: 'neither', // The entry for a bounced check was stopped.
    R53: 'neither', // The bounced check was collected as well.
    R61: 'neither', // A return went to the wrong bank.
    R62: 'neither', // A return after a reversal paid somebody twice.
    R67: 'neither', // A return came twice.
    R68: 'neither', // A return came too late.
    R69: 'neither', // A return has wrong fields.
    R70: 'neither', // A return was neither agreed nor asked for.
    R71: 'neither', // A refusal of a return went to the wrong bank.
    R72: 'neither', // A refusal of a return came too late.
    R73: 'neither', // A refused return was in time.
    R74: 'neither', // A refused return was corrected.
    R75: 'neither', // A refused return was no duplicate.
    R76: 'neither', // A refused return had no errors.
    R77: 'neither', // A refusal after a reversal is not accepted.
    R80: 'neither', // An international entry was wrongly coded.
    R81: 'neither', // The bank takes no part in international entries.
    R82: 'neither', // The foreign bank is not known by this number.
    R83: 'neither', // The foreign bank cannot settle.
    R84: 'neither', // The gateway did not process the international entry.
    R85: 'either', // The transfer leaves the country and was not marked so.
  } as const),
)

/** Whether an instruction in this direction may come back with this code. */
export function mayReturn(code: string, direction: Direction): boolean {
  const returns = returnCodes.get(code)
  return returns === 'either' || returns === direction
}
