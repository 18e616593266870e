import type { Action } from '../../../src/access/policy.ts'
import { newId, printId } from '../../../src/ids/ids.ts'
import type { Door } from '../door.ts'

export type Walked = Readonly<{
  method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  url: string
  action: Action
}>

/** The routes whose path names whose things they are about. */
export const owned: readonly Walked[] = [
  { method: 'GET', url: '/v1/user/OWNER', action: 'user.glance' },
  { method: 'PUT', url: '/v1/user/OWNER', action: 'user.change' },
  { method: 'POST', url: '/v1/user/OWNER/contacts/email/code', action: 'contact.send' },
  { method: 'POST', url: '/v1/user/OWNER/contacts/phone/verify', action: 'contact.confirm' },
  { method: 'POST', url: '/v1/user/OWNER/accounts', action: 'account.link' },
  { method: 'POST', url: '/v1/user/OWNER/accounts/BANK/verify', action: 'account.verify' },
  { method: 'DELETE', url: '/v1/user/OWNER/accounts/BANK', action: 'account.unlink' },
  { method: 'GET', url: '/v1/bankAccounts/OWNER', action: 'account.list' },
  { method: 'GET', url: '/v1/bankAccuonts/OWNER', action: 'account.list' },
  { method: 'GET', url: '/v1/transactions/OWNER', action: 'transaction.list' },
]

/** Those that are for staff alone. */
export const staffed: readonly Walked[] = [
  { method: 'POST', url: '/v1/user/OWNER/freeze', action: 'user.freeze' },
  { method: 'POST', url: '/v1/user/OWNER/thaw', action: 'user.thaw' },
]

/** The routes that are about whoever calls. */
export const callers: readonly Walked[] = [
  { method: 'GET', url: '/v1/user', action: 'user.read' },
  { method: 'DELETE', url: '/v1/session', action: 'session.end' },
  { method: 'POST', url: '/v1/session/step-up', action: 'session.step-up' },
  { method: 'DELETE', url: '/v1/account/BANK', action: 'account.unlink' },
  { method: 'POST', url: '/v1/transaction', action: 'transaction.create' },
  { method: 'POST', url: '/v1/transaction/TXN/verify', action: 'transaction.confirm' },
  { method: 'GET', url: '/v1/transaction/TXN', action: 'transaction.read' },
  { method: 'GET', url: '/v1/request/key', action: 'request.read' },
]

/** Every route of the contract that is not open to anyone, with its action in the policy. */
export const closed: readonly Walked[] = [...owned, ...staffed, ...callers]

export const user = printId('user', newId('user'))
export const bank = printId('bank', newId('bank'))
const transaction = printId('txn', newId('txn'))

/** A body that passes each route's schema. */
function bodyOf({ url, method }: Walked): object | undefined {
  if (url.endsWith('/contacts/phone/verify') || url.endsWith('TXN/verify'))
    return { code: '123456' }
  if (url.endsWith('step-up')) return { password: 'x' }
  if (url.endsWith('BANK/verify')) return { amountsCents: [11, 22] }
  if (url === '/v1/transaction') return { fromId: user, toId: user, amount: 1 }
  if (method === 'PUT') return { unlinkBankAccountId: bank }
  if (!url.endsWith('/accounts')) return undefined
  return { bankName: 'B', bankAccountNumber: '9500001234', bankRoutingNumber: '222222226' }
}

/** Asks one of the routes, about this owner. */
export async function knock(door: Door, walked: Walked, owner: string, authorization?: string) {
  const url = walked.url.replace('OWNER', owner).replace('BANK', bank).replace('TXN', transaction)
  const payload = bodyOf(walked)
  const answer = await door.app.inject({
    method: walked.method,
    url,
    headers: { ...(authorization !== undefined && { authorization }) },
    ...(payload && { payload }),
  })
  const { code, scope } = answer.json<Readonly<{ code: string; scope?: string }>>()
  return { code, scope, status: answer.statusCode, challenge: answer.headers['www-authenticate'] }
}
