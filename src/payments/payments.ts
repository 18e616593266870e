import type { Payments } from './asks.ts'
import { confirmTransaction } from './confirm.ts'
import { setFrozen } from './freeze.ts'
import * as history from './history.ts'
import * as bankLinks from './link-bank.ts'
import type { PaymentParts } from './parts.ts'
import { moveMoney } from './pay.ts'
import * as people from './people.ts'
import { ownUser } from './wallet.ts'

/** Builds the hall. */
export function createPayments(parts: PaymentParts): Payments {
  return {
    ownUser: async (userId, range) => await ownUser(parts, userId, range),
    changeProfile: async (caller, patch, key, shown) =>
      await people.changeProfile(parts, caller, patch, key, shown),
    sendContactCode: async (caller, channel, key) =>
      await people.sendContactCode(parts, caller, channel, key),
    confirmContact: async (caller, ask, key) =>
      await people.confirmContact(parts, caller, ask, key),
    linkBankAccount: async (caller, ask, key, shown) =>
      await bankLinks.linkBankAccount(parts, caller, ask, key, shown),
    unlinkBankAccount: async (caller, id, key) =>
      await bankLinks.unlinkBankAccount(parts, caller, id, key),
    verifyBankAccount: async (caller, ask, key) =>
      await bankLinks.verifyBankAccount(parts, caller, ask, key),
    listBankAccounts: async (userId, ask) => await history.listBankAccounts(parts, userId, ask),
    moveMoney: async (caller, ask, key, shown) => await moveMoney(parts, caller, ask, key, shown),
    confirmTransaction: async (caller, ask, key) =>
      await confirmTransaction(parts, caller, ask, key),
    findTransaction: async (caller, id) => await history.findTransaction(parts, caller, id),
    listTransactions: async (userId, ask) => await history.listTransactions(parts, userId, ask),
    findRequest: async (caller, key) => await history.findRequest(parts, caller, key),
    setFrozen: async (userId, frozen, by) => await setFrozen(parts, userId, frozen, by),
  }
}
