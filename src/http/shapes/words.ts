import { Type } from 'typebox'
import type { Static, TSchema } from 'typebox'

/** Small words that the schemas are written in. */

/** No members but those that are named. */
export const closed = { additionalProperties: false } as const

/** One check, and one line in an error, where a union would have many. */
export function oneOf<const T extends string>(...values: readonly T[]) {
  return Type.Unsafe<T>({ type: 'string', enum: [...values] })
}

/** A text or null. */
export function nullableText(more: object = {}) {
  return Type.Unsafe<string | null>({ ...more, type: ['string', 'null'] })
}

const control = '\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029'

/** One line that says something: no control characters, not only blanks. */
export function line(maxLength: number, description: string, example: string) {
  return Type.String({
    minLength: 1,
    maxLength,
    // Two linear passes: a pattern that could backtrack would make a long text slow to refuse.
    pattern: `^(?!\\s*$)[^${control}]*$`,
    description,
    examples: [example],
  })
}

/** Names a schema instead of repeating it. `description` says what it is as an answer. */
export function ref<S extends TSchema>(schema: S & { $id?: string }, description?: string) {
  return Type.Unsafe<Static<S>>({ $ref: `${schema.$id}#`, ...(description && { description }) })
}

/** 204: done, and there is nothing to say. */
export function nothing(description: string) {
  return Type.Unsafe<undefined>({ type: 'null', description })
}
