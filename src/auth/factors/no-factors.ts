import type { SecondFactors } from './second-factors.ts'

export const noFactors: SecondFactors = {
  enrolled: async () => await Promise.resolve({ totp: false, passkeys: 0, recoveryCodes: 0 }),
  useCode: async () => await Promise.resolve(null),
}
