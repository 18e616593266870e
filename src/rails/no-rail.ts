import { AppError } from '../errors.ts'
import type { Rail } from './rail.ts'

const refuse = async (): Promise<never> => {
  throw new AppError('rail_unavailable')
}

/** For a server without a way to the banks: people pay each other, and no money comes or goes. */
export const noRail: Rail = { submit: refuse, progress: refuse, sendMicroEntries: refuse }
