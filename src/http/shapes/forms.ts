import type { Static } from 'typebox'
import { AppError } from '../../errors.ts'
import { parseId } from '../../ids/ids.ts'
import type { BankAccountId } from '../../ids/ids.ts'
import type { BankAccountLink, ProfilePatch } from '../../payments/asks.ts'
import { linkMembers, linkNeeds, profileMembers } from '../schemas.ts'
import type { ChangeUserBody, LinkBody } from '../schemas.ts'

export type ChangeUser =
  | Readonly<{ form: 'profile'; patch: ProfilePatch }>
  | Readonly<{ form: 'link'; link: BankAccountLink }>
  | Readonly<{ form: 'unlink'; id: BankAccountId }>

/**
 * Tells the three forms of `PUT /v1/user/{id}` apart by their members.
 *
 * @throws AppError `form_ambiguous` for a mixture and for none, `request_invalid` for a link that
 * lacks members.
 */
export function readForm(body: Static<typeof ChangeUserBody>): ChangeUser {
  const { unlinkBankAccountId, ...rest } = body
  const profile = profileMembers.some((name) => name in body)
  const link = linkMembers.some((name) => name in body)
  const forms = [profile, link, unlinkBankAccountId !== undefined].filter(Boolean)
  if (forms.length !== 1) {
    const why = forms.length === 0 ? 'nothing to change' : 'more than one of the three forms'
    throw new AppError('form_ambiguous', { why })
  }
  if (unlinkBankAccountId !== undefined)
    return { form: 'unlink', id: bankIdOf(unlinkBankAccountId) }
  return link ? { form: 'link', link: toLink(requireLink(rest)) } : { form: 'profile', patch: rest }
}

/** A link with what was left out filled in. */
export function toLink(body: Static<typeof LinkBody>): BankAccountLink {
  return {
    bankName: body.bankName,
    bankPhoneNumber: body.bankPhoneNumber ?? null,
    bankEmail: body.bankEmail ?? null,
    bankAccountNumber: body.bankAccountNumber,
    bankRoutingNumber: body.bankRoutingNumber,
    accountType: body.accountType ?? 'checking',
  }
}

/** @throws AppError `bank_account_unknown`: a text that is no id names nothing. */
export function bankIdOf(text: string): BankAccountId {
  const id = parseId('bank', text)
  if (!id) throw new AppError('bank_account_unknown')
  return id
}

function requireLink(body: Partial<Static<typeof LinkBody>>): Static<typeof LinkBody> {
  const { bankName, bankAccountNumber, bankRoutingNumber } = body
  if (
    bankName === undefined ||
    bankAccountNumber === undefined ||
    bankRoutingNumber === undefined
  ) {
    const missing = linkNeeds.filter((name) => body[name] === undefined)
    const errors = missing.map((name) => ({ pointer: `/${name}`, detail: 'is missing' }))
    throw new AppError('request_invalid', { why: 'one or more members are missing', errors })
  }
  return { ...body, bankName, bankAccountNumber, bankRoutingNumber }
}
