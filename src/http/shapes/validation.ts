import type { FastifyServerOptions } from 'fastify'
import { parseTime } from '../../time.ts'

/**
 * Nothing is turned into something else, dropped, or filled in: with Fastify's own options `true`
 * became one cent and a misspelt member was silently ignored. All faults are found, as people want
 * them; that a text can have only so many is the body limit's doing.
 */
export const validation = {
  customOptions: {
    coerceTypes: false,
    removeAdditional: false,
    useDefaults: false,
    allErrors: true,
    allowUnionTypes: true,
  },
  onCreate: (ajv) => {
    // One reading of times in the whole house, so that what passes here is what the flows can read.
    ajv.addFormat('date-time', (text: string) => parseTime(text) !== null)
  },
} satisfies FastifyServerOptions['ajv']
