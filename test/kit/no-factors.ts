import type { SecondFactors } from '../../src/auth/factors/second-factors.ts'

/** Of people who have a password and nothing else. */
export const noFactors: SecondFactors = {
  enrolled: async () => await Promise.resolve({ totp: false, passkeys: 0, recoveryCodes: 0 }),
  useCode: async () => await Promise.resolve(null),
}
